"""The experts: one module for each source of evidence, all behind `library.searching.expert.Expert`.

They are independent of each other. `engine.assemble` lists those that a search uses.
"""
