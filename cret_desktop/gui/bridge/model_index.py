"""What Qt hands to a model as an index, in the one type that its overridden methods are annotated with."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex

Index = QModelIndex | QPersistentModelIndex
