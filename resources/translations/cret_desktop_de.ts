<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de_DE">
<context>
    <name>AboutDialog</name>
    <message>
        <source>About CRET Desktop</source>
        <translation>Über CRET Desktop</translation>
    </message>
    <message>
        <source>Check for a newer version</source>
        <translation>Nach einer neueren Version sehen</translation>
    </message>
    <message>
        <source>Find moments in your own videos by describing them. Everything runs on this computer: nothing is sent, nothing is tracked. Nothing is downloaded except a model that you choose.</source>
        <translation>Findet Momente in den eigenen Videos nach dem, was zu sehen ist. Alles geschieht auf diesem Rechner: Nichts wird gesendet, nichts hört mit, niemand zählt. Geholt wird höchstens ein Modell, das ausdrücklich gewählt wurde.</translation>
    </message>
    <message>
        <source>Licences</source>
        <translation>Lizenzen</translation>
    </message>
    <message>
        <source>Licences (in English)</source>
        <translation>Lizenzen (auf Englisch)</translation>
    </message>
    <message>
        <source>Opens {page} in your browser</source>
        <translation>Öffnet {page} im Browser</translation>
    </message>
    <message>
        <source>Version {version} · Python {python} · Qt {qt}</source>
        <translation>Version {version} · Python {python} · Qt {qt}</translation>
    </message>
</context>
<context>
    <name>Annotations</name>
    <message>
        <source>Favourite</source>
        <translation>Favorit</translation>
    </message>
    <message>
        <source>No favourite</source>
        <translation>Kein Favorit</translation>
    </message>
    <message>
        <source>Note</source>
        <translation>Notiz</translation>
    </message>
    <message>
        <source>Tags</source>
        <translation>Tags</translation>
    </message>
</context>
<context>
    <name>Banner</name>
    <message>
        <source>Close this message</source>
        <translation>Meldung schließen</translation>
    </message>
</context>
<context>
    <name>CardDelegate</name>
    <message>
        <source>Show less</source>
        <translation>Weniger zeigen</translation>
    </message>
</context>
<context>
    <name>Choice</name>
    <message>
        <source>Any</source>
        <translation>Beliebig</translation>
    </message>
</context>
<context>
    <name>CommandsModel</name>
    <message>
        <source>Command</source>
        <translation>Befehl</translation>
    </message>
    <message>
        <source>Everywhere</source>
        <translation>Überall</translation>
    </message>
    <message>
        <source>In the player</source>
        <translation>Im Player</translation>
    </message>
    <message>
        <source>In the results</source>
        <translation>In den Ergebnissen</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>Tasten</translation>
    </message>
    <message>
        <source>Where</source>
        <translation>Wo</translation>
    </message>
</context>
<context>
    <name>DropCover</name>
    <message>
        <source>Drop to add to the library</source>
        <translation>Loslassen, um zur Bibliothek hinzuzufügen</translation>
    </message>
    <message>
        <source>Drop to find similar moments</source>
        <translation>Loslassen, um ähnliche Momente zu finden</translation>
    </message>
</context>
<context>
    <name>ErrorDialog</name>
    <message>
        <source>Copy details</source>
        <translation>Einzelheiten kopieren</translation>
    </message>
    <message>
        <source>Details of the error</source>
        <translation>Einzelheiten des Fehlers</translation>
    </message>
    <message>
        <source>Something went wrong</source>
        <translation>Etwas ist schiefgegangen</translation>
    </message>
    <message>
        <source>This is a fault in the program. Your library is safe on disk. The details below help to fix it; nothing is sent automatically.</source>
        <translation>Das ist ein Fehler im Programm, kein Bedienfehler. Die Bibliothek liegt sicher auf der Platte. Die Einzelheiten unten helfen, den Fehler zu beheben; von selbst wird nichts gesendet.</translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message>
        <source> s</source>
        <translation> s</translation>
    </message>
    <message>
        <source>&amp;Copy (fast)</source>
        <translation>Clips, &amp;kopiert</translation>
    </message>
    <message>
        <source>&amp;EDL list</source>
        <translation>&amp;EDL-Liste</translation>
    </message>
    <message>
        <source>&amp;FCPXML list</source>
        <translation>&amp;FCPXML-Liste</translation>
    </message>
    <message>
        <source>&amp;Handles</source>
        <translation>&amp;Zugabe</translation>
    </message>
    <message>
        <source>&amp;Name</source>
        <translation>&amp;Name</translation>
    </message>
    <message>
        <source>C&amp;SV table</source>
        <translation>C&amp;SV-Tabelle</translation>
    </message>
    <message>
        <source>C&amp;hoose…</source>
        <translation>&amp;Auswählen…</translation>
    </message>
    <message>
        <source>Choose a folder for exports</source>
        <translation>Ordner für Exporte auswählen</translation>
    </message>
    <message>
        <source>Choose the folder</source>
        <translation>Ordner auswählen</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>Exportieren</translation>
    </message>
    <message numerus="yes">
        <source>Export %n moments</source>
        <translation>
            <numerusform>%n Moment exportieren</numerusform>
            <numerusform>%n Momente exportieren</numerusform>
        </translation>
    </message>
    <message>
        <source>Export 1 moment</source>
        <translation>1 Moment exportieren</translation>
    </message>
    <message>
        <source>Extra time before and after each moment, where the video has it.</source>
        <translation>Vor und nach jedem Moment angefügt, soweit das Video reicht.</translation>
    </message>
    <message>
        <source>F&amp;older</source>
        <translation>&amp;Ordner</translation>
    </message>
    <message>
        <source>Fast and lossless. Each clip starts at the last keyframe before its moment.</source>
        <translation>Schnell und verlustfrei. Jeder beginnt am letzten Keyframe vor seinem Moment.</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>For Final Cut Pro and DaVinci Resolve. Refers to the videos without copying them.</source>
        <translation>Für Final Cut Pro und DaVinci Resolve. Verweist auf die Videos und kopiert nichts.</translation>
    </message>
    <message>
        <source>For almost every editing program, old ones included. One frame rate; names are shortened.</source>
        <translation>Für fast jedes Schnittprogramm, auch alte. Eine Bildrate, gekürzte Namen.</translation>
    </message>
    <message>
        <source>For spreadsheets and scripts: times, timecodes, names and paths.</source>
        <translation>Für Tabellen und Skripte: Zeiten, Timecodes, Namen und Pfade.</translation>
    </message>
    <message>
        <source>Frame-accurate. Re-encodes to H.264 in MP4; slower.</source>
        <translation>Auf das Bild genau. Wird neu kodiert, als H.264 in MP4; das dauert länger.</translation>
    </message>
    <message>
        <source>Handles</source>
        <translation>Zugabe</translation>
    </message>
    <message>
        <source>Moments</source>
        <translation>Momente</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Re-encode (e&amp;xact)</source>
        <translation>Clips, bild&amp;genau</translation>
    </message>
</context>
<context>
    <name>ExportLine</name>
    <message numerus="yes">
        <source>%n files were written to “{folder}”</source>
        <translation>
            <numerusform>%n Datei liegt jetzt in „{folder}“</numerusform>
            <numerusform>%n Dateien liegen jetzt in „{folder}“</numerusform>
        </translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Cancel the export</source>
        <translation>Export abbrechen</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Close this message</source>
        <translation>Meldung schließen</translation>
    </message>
    <message numerus="yes">
        <source>Exporting %n moments</source>
        <translation>
            <numerusform>%n Moment wird exportiert</numerusform>
            <numerusform>%n Momente werden exportiert</numerusform>
        </translation>
    </message>
    <message>
        <source>Exporting 1 moment</source>
        <translation>1 Moment wird exportiert</translation>
    </message>
    <message>
        <source>Progress of the export</source>
        <translation>Fortschritt des Exports</translation>
    </message>
    <message>
        <source>Show in folder</source>
        <translation>Im Ordner zeigen</translation>
    </message>
    <message>
        <source>“{name}” was written</source>
        <translation>„{name}“ ist fertig</translation>
    </message>
    <message>
        <source>… and {count} more like this.</source>
        <translation>… und {count} weitere dieser Art.</translation>
    </message>
</context>
<context>
    <name>FailuresDialog</name>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>These files are skipped until they change or you try again. All others are indexed.</source>
        <translation>Diese Dateien bleiben liegen, bis sie sich ändern oder ein neuer Versuch beginnt. Alle anderen sind indiziert.</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>Erneut versuchen</translation>
    </message>
    <message>
        <source>Videos that could not be read</source>
        <translation>Nicht lesbare Videos</translation>
    </message>
</context>
<context>
    <name>FailuresModel</name>
    <message>
        <source>File</source>
        <translation>Datei</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>Reason</source>
        <translation>Grund</translation>
    </message>
</context>
<context>
    <name>FilterChip</name>
    <message>
        <source>Not {filter}: {value}</source>
        <translation>Nicht {filter}: {value}</translation>
    </message>
    <message>
        <source>Remove the filter {filter}: {value}</source>
        <translation>Filter entfernen – {filter}: {value}</translation>
    </message>
    <message>
        <source>{filter}: {value}</source>
        <translation>{filter}: {value}</translation>
    </message>
</context>
<context>
    <name>Filters</name>
    <message>
        <source>Clear filters</source>
        <translation>Filter zurücksetzen</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>Fertig</translation>
    </message>
    <message>
        <source>Filters</source>
        <translation>Filter</translation>
    </message>
    <message>
        <source>Tags</source>
        <translation>Tags</translation>
    </message>
    <message>
        <source>{tag} ({count})</source>
        <translation>{tag} ({count})</translation>
    </message>
</context>
<context>
    <name>LibraryController</name>
    <message>
        <source>Remove a folder</source>
        <translation>Ordner entfernen</translation>
    </message>
</context>
<context>
    <name>LibraryDialogs</name>
    <message>
        <source>Add a folder of videos</source>
        <translation>Ordner mit Videos hinzufügen</translation>
    </message>
    <message>
        <source>Add videos</source>
        <translation>Videos hinzufügen</translation>
    </message>
    <message>
        <source>Adopt</source>
        <translation>Übernehmen</translation>
    </message>
    <message>
        <source>Adopt a library</source>
        <translation>Bibliothek übernehmen</translation>
    </message>
    <message>
        <source>Adopt this library, so that it can be changed here?</source>
        <translation>Diese Bibliothek übernehmen, damit sie hier geändert werden kann?</translation>
    </message>
    <message>
        <source>Index those of its folders that are on this computer</source>
        <translation>Ihre Ordner indizieren, soweit es sie auf diesem Rechner gibt</translation>
    </message>
    <message>
        <source>It names these folders:</source>
        <translation>Sie nennt diese Ordner:</translation>
    </message>
    <message>
        <source>It was made on another computer or by someone else. Its catalog is checked and rebuilt; the current one is kept beside it.</source>
        <translation>Sie wurde auf einem anderen Rechner oder von jemand anderem angelegt. Ihr Katalog wird geprüft und neu geschrieben; der jetzige bleibt daneben erhalten.</translation>
    </message>
    <message>
        <source>Keep</source>
        <translation>Behalten</translation>
    </message>
    <message>
        <source>Only search</source>
        <translation>Nur durchsuchen</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>Entfernen</translation>
    </message>
    <message>
        <source>Remove a folder</source>
        <translation>Ordner entfernen</translation>
    </message>
    <message>
        <source>Remove “{name}” from the library?</source>
        <translation>„{name}“ aus der Bibliothek entfernen?</translation>
    </message>
    <message>
        <source>Search will no longer find its {videos}. The files stay where they are. Add the folder again within 30 days to restore everything.</source>
        <translation>Die Suche findet {videos} daraus nicht mehr. Die Dateien selbst bleiben, wo sie sind; wird der Ordner binnen 30 Tagen wieder hinzugefügt, ist alles wieder da.</translation>
    </message>
    <message numerus="yes">
        <source>and %n more</source>
        <translation>
            <numerusform>und %n weiterer</numerusform>
            <numerusform>und %n weitere</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>LibraryModel</name>
    <message>
        <source>All videos</source>
        <translation>Alle Videos</translation>
    </message>
    <message>
        <source>Could not be read</source>
        <translation>Nicht lesbar</translation>
    </message>
    <message>
        <source>Favourites</source>
        <translation>Favoriten</translation>
    </message>
    <message>
        <source>Folders</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>Indexing</source>
        <translation>Wird indiziert</translation>
    </message>
    <message>
        <source>No change notifications here: rescanned every {minutes} min</source>
        <translation>Änderungen werden hier nicht gemeldet: alle {minutes} min wird nachgesehen</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>Offline</translation>
    </message>
    <message>
        <source>Paused</source>
        <translation>Angehalten</translation>
    </message>
    <message>
        <source>Saved searches</source>
        <translation>Gemerkte Suchen</translation>
    </message>
    <message>
        <source>Tags</source>
        <translation>Tags</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>Wartet</translation>
    </message>
    <message>
        <source>Without: {words}</source>
        <translation>Ohne: {words}</translation>
    </message>
    <message>
        <source>{count} failed</source>
        <translation>{count} nicht lesbar</translation>
    </message>
    <message>
        <source>{done} of {videos}</source>
        <translation>{done} von {videos}</translation>
    </message>
</context>
<context>
    <name>LibraryPanel</name>
    <message>
        <source>Add folder…</source>
        <translation>Ordner hinzufügen…</translation>
    </message>
    <message>
        <source>Delete this search</source>
        <translation>Diese Suche löschen</translation>
    </message>
    <message>
        <source>Index again</source>
        <translation>Neu indizieren</translation>
    </message>
    <message>
        <source>Index this first</source>
        <translation>Zuerst indizieren</translation>
    </message>
    <message>
        <source>Library</source>
        <translation>Bibliothek</translation>
    </message>
    <message>
        <source>Look for new videos</source>
        <translation>Nach neuen Videos suchen</translation>
    </message>
    <message>
        <source>Open folder</source>
        <translation>Ordner öffnen</translation>
    </message>
    <message>
        <source>Remove from library…</source>
        <translation>Aus der Bibliothek entfernen…</translation>
    </message>
    <message>
        <source>Rename…</source>
        <translation>Umbenennen…</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>Suchen</translation>
    </message>
    <message>
        <source>Search here</source>
        <translation>Darin suchen</translation>
    </message>
    <message>
        <source>{videos} could not be read</source>
        <translation>{videos} nicht lesbar</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Adopt…</source>
        <translation>Übernehmen …</translation>
    </message>
    <message>
        <source>Another program is writing to this library. You can search it. To add or remove folders, close the other program and restart this one.</source>
        <translation>Ein anderes Programm schreibt gerade in diese Bibliothek. Suchen geht; um Ordner hinzuzufügen oder zu entfernen, das andere Programm beenden und neu starten.</translation>
    </message>
    <message>
        <source>CRET Desktop</source>
        <translation>CRET Desktop</translation>
    </message>
    <message>
        <source>Details…</source>
        <translation>Einzelheiten…</translation>
    </message>
    <message>
        <source>Files on another computer ({name}) cannot be dropped here. Use “Add folder” in the Library menu.</source>
        <translation>Was auf einem anderen Computer ({name}) liegt, lässt sich hier nicht ablegen. Dafür gibt es „Ordner hinzufügen“ im Menü Bibliothek.</translation>
    </message>
    <message>
        <source>Paus&amp;e indexing</source>
        <translation>Indi&amp;zieren anhalten</translation>
    </message>
    <message>
        <source>R&amp;esume indexing</source>
        <translation>Indi&amp;zieren fortsetzen</translation>
    </message>
    <message>
        <source>Removed “{name}”</source>
        <translation>„{name}“ wurde entfernt</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>Erneut versuchen</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>Rückgängig</translation>
    </message>
    <message>
        <source>Use the starter model</source>
        <translation>Startmodell verwenden</translation>
    </message>
    <message>
        <source>“{name}” could not be opened: no program is set for this file type.</source>
        <translation>„{name}“ lässt sich nicht öffnen: Für solche Dateien ist kein Programm festgelegt.</translation>
    </message>
</context>
<context>
    <name>ModelDialog</name>
    <message>
        <source>A model compares pictures with words, on this computer. Another model re-indexes all videos; you can keep searching meanwhile, and the old index is kept. Nothing is downloaded until you choose it.</source>
        <translation>Ein Modell vergleicht Bilder mit Wörtern, auf diesem Computer. Mit einem anderen werden alle Videos neu indexiert; gesucht werden kann währenddessen weiter, und der alte Index bleibt erhalten. Nichts wird ungefragt heruntergeladen.</translation>
    </message>
    <message>
        <source>From a folder…</source>
        <translation>Aus einem Ordner…</translation>
    </message>
    <message>
        <source>From a zip…</source>
        <translation>Aus einer Zip-Datei…</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>Importieren</translation>
    </message>
    <message>
        <source>Import a model from a folder</source>
        <translation>Ordner eines Modells importieren</translation>
    </message>
    <message>
        <source>Import a model from a zip file</source>
        <translation>Zip-Datei eines Modells importieren</translation>
    </message>
    <message>
        <source>Import a model that was downloaded on another computer, or trained</source>
        <translation>Ein Modell übernehmen, das ein anderer Computer heruntergeladen hat oder das trainiert wurde</translation>
    </message>
    <message>
        <source>Its index is removed as well. Your videos, tags and notes are kept.</source>
        <translation>Was damit indexiert ist, wird mit entfernt. Videos, Tags und Notizen bleiben, wie sie sind.</translation>
    </message>
    <message>
        <source>Keep</source>
        <translation>Behalten</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>Entfernen</translation>
    </message>
    <message>
        <source>Remove a model</source>
        <translation>Modell entfernen</translation>
    </message>
    <message>
        <source>Remove “{title}” and free {size}?</source>
        <translation>„{title}“ entfernen und {size} freigeben?</translation>
    </message>
    <message>
        <source>Your library has {length} of video. You will see an estimate once indexing has started.</source>
        <translation>Das sind hier {length} Video; wie lange es dauert, steht da, sobald die ersten fertig sind.</translation>
    </message>
</context>
<context>
    <name>ModelFrame</name>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Contacting the server…</source>
        <translation>Wird angefragt…</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>Herunterladen</translation>
    </message>
    <message>
        <source>English</source>
        <translation>Englisch</translation>
    </message>
    <message>
        <source>In use</source>
        <translation>In Gebrauch</translation>
    </message>
    <message>
        <source>In use until the new index is complete.</source>
        <translation>In Gebrauch, bis der Index des anderen vollständig ist.</translation>
    </message>
    <message>
        <source>Indexing your videos with it; searches use {title} until that is done.</source>
        <translation>Die Videos werden damit indexiert; bis das fertig ist, wird mit {title} gesucht.</translation>
    </message>
    <message>
        <source>Many languages</source>
        <translation>Viele Sprachen</translation>
    </message>
    <message>
        <source>Progress of the download</source>
        <translation>Fortschritt des Herunterladens</translation>
    </message>
    <message>
        <source>Queued…</source>
        <translation>Wartet, bis es an der Reihe ist…</translation>
    </message>
    <message>
        <source>Remove…</source>
        <translation>Entfernen…</translation>
    </message>
    <message>
        <source>Resume</source>
        <translation>Fortsetzen</translation>
    </message>
    <message>
        <source>Use</source>
        <translation>Verwenden</translation>
    </message>
    <message>
        <source>Verifying the download…</source>
        <translation>Wird geprüft…</translation>
    </message>
    <message>
        <source>about {size}</source>
        <translation>etwa {size}</translation>
    </message>
    <message>
        <source>{clips} indexed with it</source>
        <translation>{clips} damit indexiert</translation>
    </message>
    <message>
        <source>{clips} indexed with it, {size}</source>
        <translation>{clips} damit indexiert, {size}</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done} von {total}</translation>
    </message>
    <message>
        <source>{fetched} already downloaded.</source>
        <translation>{fetched} davon sind schon hier.</translation>
    </message>
</context>
<context>
    <name>ModelOffer</name>
    <message>
        <source>A better model can be downloaded: {title}, about {size}.</source>
        <translation>Ein besseres Modell kann heruntergeladen werden: {title}, etwa {size}.</translation>
    </message>
    <message>
        <source>Do not show this again</source>
        <translation>Nicht mehr darauf hinweisen</translation>
    </message>
    <message>
        <source>Models…</source>
        <translation>Modelle…</translation>
    </message>
</context>
<context>
    <name>NoteEditor</name>
    <message>
        <source>Anything worth remembering; search finds these words too</source>
        <translation>Was zu merken lohnt; die Suche findet auch diese Wörter</translation>
    </message>
    <message>
        <source>Note</source>
        <translation>Notiz</translation>
    </message>
    <message>
        <source>Note on {video}</source>
        <translation>Notiz zu {video}</translation>
    </message>
</context>
<context>
    <name>OlderProfileQuestion</name>
    <message>
        <source>An older version of CRET Desktop kept its library elsewhere. Move it here?</source>
        <translation>Eine ältere Version von CRET Desktop hatte ihre Bibliothek an anderer Stelle. Hierher verschieben?</translation>
    </message>
    <message>
        <source>From: {old}
To: {new}

Your videos stay where they are. If you start empty, the old library is kept, and you will not be asked again.</source>
        <translation>Von: {old}
Nach: {new}

Die Videos bleiben, wo sie sind. Wird neu begonnen, bleibt auch die alte Bibliothek, und diese Frage kommt nicht wieder.</translation>
    </message>
    <message>
        <source>Library of an older version</source>
        <translation>Eine Bibliothek einer älteren Version</translation>
    </message>
    <message>
        <source>Move the library</source>
        <translation>Bibliothek verschieben</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Start empty</source>
        <translation>Neu beginnen</translation>
    </message>
</context>
<context>
    <name>PictureChip</name>
    <message>
        <source>Like this</source>
        <translation>Ähnlich wie dieses</translation>
    </message>
    <message>
        <source>Stop searching by this picture</source>
        <translation>Nicht mehr nach diesem Bild suchen</translation>
    </message>
</context>
<context>
    <name>Playback</name>
    <message>
        <source>it has no video that can be decoded here</source>
        <translation>sie enthält kein Bild, das hier dekodiert werden kann</translation>
    </message>
    <message>
        <source>no frame could be decoded</source>
        <translation>kein Bild konnte dekodiert werden</translation>
    </message>
    <message>
        <source>“{name}” cannot be played here ({reason}). Try another program.</source>
        <translation>„{name}“ lässt sich hier nicht abspielen ({reason}). Ein anderes Programm kann es vielleicht.</translation>
    </message>
    <message>
        <source>“{name}” was not found. If it is on a drive, connect that drive.</source>
        <translation>„{name}“ ist nicht mehr an seinem Platz. Liegt die Datei auf einem Laufwerk, dieses bitte anschließen.</translation>
    </message>
</context>
<context>
    <name>PlayerControls</name>
    <message>
        <source>Volume</source>
        <translation>Lautstärke</translation>
    </message>
    <message>
        <source>frame {number}</source>
        <translation>Bild {number}</translation>
    </message>
    <message>
        <source>from {start}</source>
        <translation>ab {start}</translation>
    </message>
    <message>
        <source>to {end}</source>
        <translation>bis {end}</translation>
    </message>
    <message>
        <source>{start} to {end}, {length} s</source>
        <translation>{start} bis {end}, {length} s</translation>
    </message>
</context>
<context>
    <name>PlayerPage</name>
    <message>
        <source>Open in another program</source>
        <translation>In anderem Programm öffnen</translation>
    </message>
    <message>
        <source>This file has no seek index: moments are shown approximately, not to the frame.</source>
        <translation>Diese Datei hat kein Verzeichnis ihrer Bilder: Momente werden ungefähr getroffen, nicht auf das Bild genau.</translation>
    </message>
    <message>
        <source>Video</source>
        <translation>Video</translation>
    </message>
</context>
<context>
    <name>PreviewPanel</name>
    <message>
        <source>Close the preview</source>
        <translation>Vorschau schließen</translation>
    </message>
    <message>
        <source>Close the preview (Space or Esc)</source>
        <translation>Vorschau schließen (Leertaste oder Esc)</translation>
    </message>
    <message>
        <source>Open in the player</source>
        <translation>Im Player öffnen</translation>
    </message>
    <message>
        <source>Preview</source>
        <translation>Vorschau</translation>
    </message>
</context>
<context>
    <name>ProgressLine</name>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Indexing</source>
        <translation>Wird indiziert</translation>
    </message>
    <message>
        <source>Indexing is paused</source>
        <translation>Das Indizieren ist angehalten</translation>
    </message>
    <message>
        <source>Indexing progress</source>
        <translation>Fortschritt des Indizierens</translation>
    </message>
    <message>
        <source>Loading the model…</source>
        <translation>Das Modell wird geladen…</translation>
    </message>
    <message>
        <source>Looking for videos…</source>
        <translation>Videos werden gesucht…</translation>
    </message>
    <message>
        <source>Looking for videos… {videos} found</source>
        <translation>Videos werden gesucht … {videos} gefunden</translation>
    </message>
    <message>
        <source>Optimising the index; search is ready</source>
        <translation>Der Index wird optimiert; gesucht werden kann schon</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Paused</source>
        <translation>Angehalten</translation>
    </message>
    <message>
        <source>Reading the lengths of {videos}…</source>
        <translation>Länge wird gelesen: {videos}…</translation>
    </message>
    <message>
        <source>Ready to search; the index is being optimised</source>
        <translation>Bereit zur Suche; der Index wird noch optimiert</translation>
    </message>
    <message>
        <source>Resume</source>
        <translation>Fortsetzen</translation>
    </message>
    <message>
        <source>Stopped; {files}, {clips} indexed in {time}</source>
        <translation>Abgebrochen; {files}, {clips} in {time} indiziert</translation>
    </message>
    <message>
        <source>Waiting for mains power</source>
        <translation>Wartet auf Netzstrom</translation>
    </message>
    <message>
        <source>needs {size} of disk space</source>
        <translation>braucht {size} Speicherplatz</translation>
    </message>
    <message>
        <source>{files}, {clips} indexed in {time}</source>
        <translation>{files}, {clips} in {time} indiziert</translation>
    </message>
    <message>
        <source>{phase} {done} of {files}</source>
        <translation>{phase}: {done} von {files}</translation>
    </message>
    <message>
        <source>{time} left</source>
        <translation>noch {time}</translation>
    </message>
    <message>
        <source>{videos} could not be read</source>
        <translation>{videos} nicht lesbar</translation>
    </message>
</context>
<context>
    <name>ResultsModel</name>
    <message>
        <source>Date</source>
        <translation>Datum</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>Length</source>
        <translation>Länge</translation>
    </message>
    <message>
        <source>Match</source>
        <translation>Treffer</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Resolution</source>
        <translation>Auflösung</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>Größe</translation>
    </message>
    <message>
        <source>Tags</source>
        <translation>Tags</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>Zeit</translation>
    </message>
    <message>
        <source>favourite</source>
        <translation>Favorit</translation>
    </message>
    <message>
        <source>{name}, {start} to {end}, {match} match</source>
        <translation>{name}, {start} bis {end}, Treffer: {match}</translation>
    </message>
</context>
<context>
    <name>ResultsPage</name>
    <message>
        <source>Change a filter, or show the whole library.</source>
        <translation>Einen davon ändern oder die ganze Bibliothek ansehen.</translation>
    </message>
    <message>
        <source>Clear filters</source>
        <translation>Filter zurücksetzen</translation>
    </message>
    <message>
        <source>No video matches these filters</source>
        <translation>Kein Video passt zu diesen Filtern</translation>
    </message>
    <message>
        <source>No videos yet</source>
        <translation>Noch keine Videos</translation>
    </message>
    <message>
        <source>Nothing found</source>
        <translation>Nichts gefunden</translation>
    </message>
    <message>
        <source>Nothing has been indexed yet</source>
        <translation>Noch ist nichts indiziert</translation>
    </message>
    <message>
        <source>Nothing in the library looks like this picture.</source>
        <translation>Nichts in der Bibliothek sieht aus wie dieses Bild.</translation>
    </message>
    <message>
        <source>Nothing in the library matches “{query}”.</source>
        <translation>Nichts in der Bibliothek passt zu „{query}“.</translation>
    </message>
    <message>
        <source>Nothing looks much like this picture. The closest moments, all weak matches:</source>
        <translation>Nichts sieht diesem Bild recht ähnlich. Die nächsten Momente, alle schwach:</translation>
    </message>
    <message>
        <source>Nothing matches “{query}” well. The closest moments, all weak matches:</source>
        <translation>Nichts passt gut zu „{query}“. Die nächstliegenden Momente, alle schwach:</translation>
    </message>
    <message>
        <source>Results as a grid</source>
        <translation>Ergebnisse als Raster</translation>
    </message>
    <message>
        <source>Results as a list</source>
        <translation>Ergebnisse als Liste</translation>
    </message>
    <message>
        <source>Results as filmstrips</source>
        <translation>Ergebnisse als Filmstreifen</translation>
    </message>
    <message>
        <source>Reverse order</source>
        <translation>Umgekehrte Reihenfolge</translation>
    </message>
    <message>
        <source>Searching…</source>
        <translation>Suche läuft…</translation>
    </message>
    <message>
        <source>Sort by</source>
        <translation>Reihenfolge</translation>
    </message>
    <message>
        <source>Sort: {order}</source>
        <translation>Reihenfolge: {order}</translation>
    </message>
    <message>
        <source>Thumbnail size</source>
        <translation>Größe der Bilder</translation>
    </message>
    <message>
        <source>You can search as soon as the first video is done.</source>
        <translation>Suchen geht, sobald das erste Video fertig ist.</translation>
    </message>
    <message>
        <source>{count} selected</source>
        <translation>{count} ausgewählt</translation>
    </message>
</context>
<context>
    <name>SearchBar</name>
    <message>
        <source>Clear the search</source>
        <translation>Suche leeren</translation>
    </message>
    <message>
        <source>Describe a moment: a dog running on a beach</source>
        <translation>Einen Moment beschreiben: ein Hund rennt am Strand</translation>
    </message>
    <message>
        <source>Exclude moments that show something</source>
        <translation>Momente ausschließen, die etwas Bestimmtes zeigen</translation>
    </message>
    <message>
        <source>Filters</source>
        <translation>Filter</translation>
    </message>
    <message>
        <source>Save this search</source>
        <translation>Diese Suche merken</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>Suchen</translation>
    </message>
</context>
<context>
    <name>SearchLine</name>
    <message>
        <source>Suggestions</source>
        <translation>Vorschläge</translation>
    </message>
</context>
<context>
    <name>Searching</name>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Rename a search</source>
        <translation>Suche umbenennen</translation>
    </message>
    <message>
        <source>Save this search</source>
        <translation>Diese Suche merken</translation>
    </message>
</context>
<context>
    <name>SeekBar</name>
    <message>
        <source>Position in the video</source>
        <translation>Stelle im Video</translation>
    </message>
</context>
<context>
    <name>SettingsDialog</name>
    <message>
        <source> GB</source>
        <translation> GB</translation>
    </message>
    <message>
        <source> s</source>
        <translation> s</translation>
    </message>
    <message>
        <source>*.proxy.mp4
Renders/*</source>
        <translation>*.proxy.mp4
Renders/*</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>Farben</translation>
    </message>
    <message>
        <source>Apple GPU (mps)</source>
        <translation>Apple-GPU (mps)</translation>
    </message>
    <message>
        <source>Applies to newly indexed videos; “Free space” shrinks existing thumbnails.</source>
        <translation>Gilt für Videos, die von nun an indiziert werden; „Platz schaffen“ verkleinert auch die anderen.</translation>
    </message>
    <message>
        <source>Available: {devices}.</source>
        <translation>Gefunden: {devices}.</translation>
    </message>
    <message>
        <source>Choose a folder for exports</source>
        <translation>Ordner für Exporte auswählen</translation>
    </message>
    <message>
        <source>Choose a player</source>
        <translation>Player auswählen</translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation>Auswählen…</translation>
    </message>
    <message>
        <source>Clear the history</source>
        <translation>Verlauf löschen</translation>
    </message>
    <message>
        <source>Clip export</source>
        <translation>Exportierte Momente</translation>
    </message>
    <message>
        <source>Clips</source>
        <translation>Clips</translation>
    </message>
    <message>
        <source>Coarse: at most 20 seconds</source>
        <translation>Grob: höchstens 20 Sekunden</translation>
    </message>
    <message>
        <source>Compares pictures with words. Each model needs its own index.</source>
        <translation>Vergleicht Bilder mit Worten. Ein anderes braucht einen eigenen Index.</translation>
    </message>
    <message>
        <source>Copy (fast): starts at a keyframe</source>
        <translation>Kopiert: schnell, ab einem Keyframe</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>Dunkel</translation>
    </message>
    <message>
        <source>Default: at most 10 seconds</source>
        <translation>Üblich: höchstens 10 Sekunden</translation>
    </message>
    <message>
        <source>Devices could not be listed: {reason}</source>
        <translation>Das ließ sich nicht feststellen: {reason}</translation>
    </message>
    <message>
        <source>Disk space</source>
        <translation>Speicherplatz</translation>
    </message>
    <message>
        <source>Exclude</source>
        <translation>Auslassen</translation>
    </message>
    <message>
        <source>Export to</source>
        <translation>Exportieren nach</translation>
    </message>
    <message>
        <source>Extra time before and after each moment, where the video has it.</source>
        <translation>Vor und nach jedem Moment angefügt, soweit das Video reicht.</translation>
    </message>
    <message>
        <source>Fastest available</source>
        <translation>Dem schnellsten, das da ist</translation>
    </message>
    <message>
        <source>Fine: at most 5 seconds</source>
        <translation>Fein: höchstens 5 Sekunden</translation>
    </message>
    <message>
        <source>Free space</source>
        <translation>Platz schaffen</translation>
    </message>
    <message>
        <source>Freeing space…</source>
        <translation>Platz wird geschaffen…</translation>
    </message>
    <message>
        <source>General</source>
        <translation>Allgemein</translation>
    </message>
    <message>
        <source>Give other programs priority</source>
        <translation>Anderen Programmen den Vortritt lassen</translation>
    </message>
    <message>
        <source>Handles</source>
        <translation>Zugabe</translation>
    </message>
    <message>
        <source>History</source>
        <translation>Verlauf</translation>
    </message>
    <message>
        <source>Indexing</source>
        <translation>Indizieren</translation>
    </message>
    <message>
        <source>Indexing resumes when the computer is plugged in.</source>
        <translation>Geht von selbst weiter, sobald der Rechner am Netz hängt.</translation>
    </message>
    <message>
        <source>Indexing stops at this library size. Nothing is deleted.</source>
        <translation>Das Indizieren hält an, wenn die Bibliothek so groß geworden ist. Gelöscht wird nichts.</translation>
    </message>
    <message>
        <source>Indexing takes longer while the computer is busy.</source>
        <translation>Das Indizieren dauert länger, solange der Rechner beschäftigt ist.</translation>
    </message>
    <message>
        <source>Keep running in the tray</source>
        <translation>Im Infobereich weiterlaufen</translation>
    </message>
    <message>
        <source>Kept on this computer only.</source>
        <translation>Bleibt auf diesem Rechner.</translation>
    </message>
    <message>
        <source>Keyboard shortcuts…</source>
        <translation>Tastenkürzel…</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>Tasten</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>Sprache</translation>
    </message>
    <message>
        <source>Large</source>
        <translation>Groß</translation>
    </message>
    <message>
        <source>Last used folder</source>
        <translation>Der zuletzt benutzte</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>Hell</translation>
    </message>
    <message>
        <source>Looking for devices…</source>
        <translation>Es wird nachgesehen…</translation>
    </message>
    <message>
        <source>Measuring disk usage…</source>
        <translation>Belegter Platz wird ermittelt…</translation>
    </message>
    <message>
        <source>Medium</source>
        <translation>Mittel</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
    <message>
        <source>Models…</source>
        <translation>Modelle…</translation>
    </message>
    <message>
        <source>NVIDIA GPU (cuda)</source>
        <translation>NVIDIA-GPU (cuda)</translation>
    </message>
    <message>
        <source>New videos are still found and indexed while the window is closed.</source>
        <translation>Im Infobereich werden neue Videos auch bei geschlossenem Fenster gefunden und indiziert.</translation>
    </message>
    <message>
        <source>No limit</source>
        <translation>So viel wie nötig</translation>
    </message>
    <message>
        <source>No system tray here, so closing the window quits.</source>
        <translation>Dieses System hat keinen Infobereich dafür.</translation>
    </message>
    <message>
        <source>One file or folder pattern per line; * matches any characters.</source>
        <translation>Ein Muster je Zeile, für Dateien oder Ordner; * steht für beliebige Zeichen.</translation>
    </message>
    <message>
        <source>Other player</source>
        <translation>Anderer Player</translation>
    </message>
    <message>
        <source>Pause while on battery</source>
        <translation>Im Akkubetrieb warten</translation>
    </message>
    <message>
        <source>Playback and export</source>
        <translation>Abspielen und Export</translation>
    </message>
    <message>
        <source>Plays videos outside this window.</source>
        <translation>Spielt ein Video außerhalb dieses Fensters ab.</translation>
    </message>
    <message>
        <source>Power</source>
        <translation>Strom</translation>
    </message>
    <message>
        <source>Priority</source>
        <translation>Vorrang</translation>
    </message>
    <message>
        <source>Processor (cpu)</source>
        <translation>Prozessor (cpu)</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Re-encode (exact): slower</source>
        <translation>Bildgenau: langsamer</translation>
    </message>
    <message>
        <source>Remember my searches</source>
        <translation>Gesuchtes merken</translation>
    </message>
    <message>
        <source>Restart now</source>
        <translation>Jetzt neu starten</translation>
    </message>
    <message>
        <source>Runs on</source>
        <translation>Läuft auf</translation>
    </message>
    <message>
        <source>Same as system</source>
        <translation>Wie im System</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Settings pages</source>
        <translation>Seiten der Einstellungen</translation>
    </message>
    <message>
        <source>Shorter clips find briefer moments, but take longer to index and use more space. Applies to newly indexed videos; for the others, use “Index again” in a folder&apos;s menu.</source>
        <translation>Kürzere Clips finden kürzere Momente, brauchen aber mehr Zeit und Platz. Gilt für Videos, die von nun an indiziert werden; für die anderen gibt es „Neu indizieren“ im Menü eines Ordners.</translation>
    </message>
    <message>
        <source>Shrink thumbnails to the chosen size, and delete unused ones</source>
        <translation>Verkleinert größere Vorschaubilder auf die gewählte Größe und entfernt, was nicht mehr gebraucht wird</translation>
    </message>
    <message>
        <source>Small</source>
        <translation>Klein</translation>
    </message>
    <message>
        <source>System default</source>
        <translation>Der des Systems</translation>
    </message>
    <message>
        <source>Takes effect after a restart.</source>
        <translation>Gilt ab dem nächsten Start.</translation>
    </message>
    <message>
        <source>The default folder for exports.</source>
        <translation>Der Ordner, den ein Export vorschlägt.</translation>
    </message>
    <message>
        <source>Thumbnails</source>
        <translation>Vorschaubilder</translation>
    </message>
    <message>
        <source>Thumbnails: {thumbnails}. Other index data: {rest}. Free: {free}.</source>
        <translation>Vorschaubilder belegen {thumbnails}, alles andere Wissen über die Videos {rest}; {free} sind frei.</translation>
    </message>
    <message>
        <source>View and change shortcuts.</source>
        <translation>Alle Tastenkürzel, und andere Tasten dafür.</translation>
    </message>
    <message>
        <source>When the window is closed</source>
        <translation>Beim Schließen des Fensters</translation>
    </message>
</context>
<context>
    <name>ShortcutsDialog</name>
    <message>
        <source>Already used by “{command}”. Remove them there first.</source>
        <translation>Sie gehören jetzt zu „{command}“. Erst dort freigeben.</translation>
    </message>
    <message>
        <source>Click into the field and press the keys.</source>
        <translation>In das Feld klicken und die Tasten drücken.</translation>
    </message>
    <message>
        <source>Find a command or a key</source>
        <translation>Befehl oder Taste suchen</translation>
    </message>
    <message>
        <source>Keyboard shortcuts</source>
        <translation>Tastenkürzel</translation>
    </message>
    <message>
        <source>New keys</source>
        <translation>Neue Tasten</translation>
    </message>
    <message>
        <source>No keys</source>
        <translation>Keine Tasten</translation>
    </message>
    <message>
        <source>Other keys for “{command}”:</source>
        <translation>Andere Tasten für „{command}“:</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>Zurücksetzen</translation>
    </message>
    <message>
        <source>Reset all</source>
        <translation>Alle zurücksetzen</translation>
    </message>
    <message>
        <source>Restore the default keys</source>
        <translation>Die ursprünglichen Tasten des Befehls</translation>
    </message>
    <message>
        <source>Use these keys</source>
        <translation>Diese Tasten nehmen</translation>
    </message>
    <message>
        <source>{keys} is already used by “{command}”. Press other keys, or remove it there first.</source>
        <translation>{keys} gehört zu „{command}“. Andere drücken oder erst dort freigeben.</translation>
    </message>
</context>
<context>
    <name>StartPage</name>
    <message>
        <source>Add folder…</source>
        <translation>Ordner hinzufügen…</translation>
    </message>
    <message>
        <source>Drop a folder here</source>
        <translation>Einen Ordner hierher ziehen</translation>
    </message>
    <message>
        <source>Looking for videos…</source>
        <translation>Videos werden gesucht…</translation>
    </message>
    <message>
        <source>No video found yet</source>
        <translation>Noch kein Video gefunden</translation>
    </message>
    <message>
        <source>Opening the library…</source>
        <translation>Die Bibliothek wird geöffnet…</translation>
    </message>
    <message>
        <source>The folders in this library contain no readable video. Add another folder.</source>
        <translation>Die Ordner dieser Bibliothek enthalten kein lesbares Video. Einen weiteren hinzufügen?</translation>
    </message>
    <message>
        <source>Then search its videos by describing what they show. Nothing leaves this computer.</source>
        <translation>Seine Videos werden durchsuchbar nach dem, was darin zu sehen ist. Nichts verlässt diesen Rechner.</translation>
    </message>
    <message>
        <source>They appear here right away, and can be searched as soon as the first one is indexed.</source>
        <translation>Sie erscheinen hier sofort und sind durchsuchbar, sobald das erste indiziert ist.</translation>
    </message>
</context>
<context>
    <name>StorageController</name>
    <message>
        <source>Backed up to {folder}: {videos}.</source>
        <translation>Nach {folder} gesichert: {videos}.</translation>
    </message>
    <message>
        <source>Backing up</source>
        <translation>Sicherung</translation>
    </message>
    <message>
        <source>Matched: {videos}.</source>
        <translation>Wiedererkannt: {videos}.</translation>
    </message>
    <message>
        <source>Moving</source>
        <translation>Verschieben</translation>
    </message>
    <message>
        <source>Not in the library yet, kept for later: {videos}.</source>
        <translation>Für nicht vorhandene ({videos}) wird es aufbewahrt, bis sie kommen.</translation>
    </message>
    <message>
        <source>Note appended to an existing one: {videos}.</source>
        <translation>Unter eine vorhandene Notiz gesetzt: {videos}.</translation>
    </message>
    <message>
        <source>Reading</source>
        <translation>Lesen</translation>
    </message>
    <message>
        <source>Restoring</source>
        <translation>Wiederherstellen</translation>
    </message>
    <message>
        <source>Tags, notes and favourites were written to {path}: {videos}.</source>
        <translation>Tags, Notizen und Favoriten wurden nach {path} geschrieben: {videos}.</translation>
    </message>
    <message>
        <source>The library is now in {folder}. The old one is no longer used and can be deleted: {before}</source>
        <translation>Die Bibliothek liegt jetzt in {folder}. Die alte wird nicht mehr gebraucht und kann gelöscht werden: {before}</translation>
    </message>
    <message>
        <source>Unknown, and skipped: {videos}.</source>
        <translation>Hier nicht bekannt und ausgelassen: {videos}.</translation>
    </message>
    <message>
        <source>Writing</source>
        <translation>Schreiben</translation>
    </message>
</context>
<context>
    <name>StorageDialog</name>
    <message>
        <source>All files (*)</source>
        <translation>Alle Dateien (*)</translation>
    </message>
    <message>
        <source>Back up…</source>
        <translation>Sichern…</translation>
    </message>
    <message>
        <source>Backs up the whole library, without your videos. Keep it on another disk.</source>
        <translation>Eine Sicherung ist eine ganze Bibliothek und gehört auf ein anderes Laufwerk. Die Videos sind nicht darin.</translation>
    </message>
    <message>
        <source>Backup</source>
        <translation>Sicherung</translation>
    </message>
    <message>
        <source>Backup and storage</source>
        <translation>Sicherung und Speicherort</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Cancel the copy</source>
        <translation>Kopieren abbrechen</translation>
    </message>
    <message>
        <source>Choose the backup folder</source>
        <translation>Ordner der Sicherung wählen</translation>
    </message>
    <message>
        <source>Choose the folder of a library</source>
        <translation>Ordner einer Bibliothek wählen</translation>
    </message>
    <message>
        <source>Complete (*.json)</source>
        <translation>Alles (*.json)</translation>
    </message>
    <message>
        <source>Export tags and notes</source>
        <translation>Tags und Notizen exportieren</translation>
    </message>
    <message>
        <source>Exported tags (*.json *.csv)</source>
        <translation>Exportierte Tags (*.json *.csv)</translation>
    </message>
    <message>
        <source>Export…</source>
        <translation>Exportieren…</translation>
    </message>
    <message>
        <source>For example to another disk. The library here is kept until you delete it.</source>
        <translation>Etwa auf ein anderes Laufwerk. Die Bibliothek hier bleibt, bis sie gelöscht wird.</translation>
    </message>
    <message>
        <source>For spreadsheets (*.csv)</source>
        <translation>Für Tabellenprogramme (*.csv)</translation>
    </message>
    <message>
        <source>Import tags and notes</source>
        <translation>Tags und Notizen importieren</translation>
    </message>
    <message>
        <source>Import…</source>
        <translation>Importieren…</translation>
    </message>
    <message>
        <source>Include thumbnails</source>
        <translation>Mit den Vorschaubildern</translation>
    </message>
    <message>
        <source>It is copied to {folder} and used there. The library then needs that disk to be connected.</source>
        <translation>Sie wird nach {folder} kopiert und dort benutzt. Ohne dieses Laufwerk gibt es dann keine Bibliothek.</translation>
    </message>
    <message>
        <source>It lacks what was typed and indexed since then. The current library is set aside, not deleted.</source>
        <translation>Was seitdem eingegeben und indiziert wurde, ist nicht darin. Die jetzige Bibliothek wird beiseitegelegt, nicht gelöscht.</translation>
    </message>
    <message>
        <source>Library location</source>
        <translation>Die Bibliothek liegt in</translation>
    </message>
    <message>
        <source>Location</source>
        <translation>Ort</translation>
    </message>
    <message>
        <source>Move</source>
        <translation>Verschieben</translation>
    </message>
    <message>
        <source>Move the library to “{name}”?</source>
        <translation>Bibliothek nach „{name}“ verschieben?</translation>
    </message>
    <message>
        <source>Move…</source>
        <translation>Verschieben…</translation>
    </message>
    <message>
        <source>No library in {folder}. A library folder contains catalog.sqlite.</source>
        <translation>In {folder} liegt keine Bibliothek: Eine solche enthält eine Datei catalog.sqlite.</translation>
    </message>
    <message>
        <source>One file, readable without this program. Importing it overwrites nothing.</source>
        <translation>Eine Datei, die auch ohne dieses Programm gelesen werden kann. Beim Importieren wird nichts ersetzt.</translation>
    </message>
    <message>
        <source>Progress of the copy</source>
        <translation>Fortschritt des Kopierens</translation>
    </message>
    <message>
        <source>Replace the library with “{name}”?</source>
        <translation>„{name}“ an die Stelle der Bibliothek setzen?</translation>
    </message>
    <message>
        <source>Restore</source>
        <translation>Wiederherstellen</translation>
    </message>
    <message>
        <source>Restore…</source>
        <translation>Wiederherstellen…</translation>
    </message>
    <message>
        <source>Show in folder</source>
        <translation>Im Ordner zeigen</translation>
    </message>
    <message>
        <source>Tags, notes, favourites and saved searches</source>
        <translation>Tags, Notizen, Favoriten und gespeicherte Suchen</translation>
    </message>
    <message>
        <source>Use another…</source>
        <translation>Andere benutzen…</translation>
    </message>
    <message>
        <source>Where to move the library</source>
        <translation>Wohin mit der Bibliothek</translation>
    </message>
    <message>
        <source>Where to put the backup</source>
        <translation>Wohin mit der Sicherung</translation>
    </message>
    <message>
        <source>Without them, a restored library rebuilds them from the videos</source>
        <translation>Ohne sie zeichnet eine wiederhergestellte Bibliothek sie aus den Videos neu</translation>
    </message>
    <message>
        <source>{what}: {done} of {total}</source>
        <translation>{what}: {done} von {total}</translation>
    </message>
    <message>
        <source>{whole}: catalog {catalog}, thumbnails {thumbnails}, index {index}. {free} free on its disk.</source>
        <translation>{whole}: Katalog {catalog}, Vorschaubilder {thumbnails}, Index {index}. {free} sind auf dem Laufwerk frei.</translation>
    </message>
</context>
<context>
    <name>TagsEditor</name>
    <message>
        <source>New tag</source>
        <translation>Neues Tag</translation>
    </message>
    <message>
        <source>Tags</source>
        <translation>Tags</translation>
    </message>
    <message>
        <source>Tags of {videos}</source>
        <translation>Tags von {videos}</translation>
    </message>
</context>
<context>
    <name>Tray</name>
    <message>
        <source>Indexing is paused</source>
        <translation>Das Indizieren ist angehalten</translation>
    </message>
    <message>
        <source>Open CRET Desktop</source>
        <translation>CRET Desktop öffnen</translation>
    </message>
    <message>
        <source>Pause indexing</source>
        <translation>Indizieren anhalten</translation>
    </message>
    <message>
        <source>Paused: {done} of {total} videos</source>
        <translation>Angehalten: {done} von {total} Videos</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Resume indexing</source>
        <translation>Indizieren fortsetzen</translation>
    </message>
    <message>
        <source>The window is closed; new videos are still indexed. Open it or quit from here.</source>
        <translation>Das Fenster ist zu; neue Videos werden weiter indiziert. Hier lässt es sich öffnen oder alles beenden.</translation>
    </message>
    <message>
        <source>{done} of {total} videos</source>
        <translation>{done} von {total} Videos</translation>
    </message>
    <message>
        <source>{progress}, {time} left</source>
        <translation>{progress}, noch {time}</translation>
    </message>
</context>
<context>
    <name>WithoutBox</name>
    <message>
        <source>Exclude nothing</source>
        <translation>Nichts ausschließen</translation>
    </message>
    <message>
        <source>What moments must not show, for example people</source>
        <translation>Was nicht zu sehen sein soll: Menschen</translation>
    </message>
    <message>
        <source>Without</source>
        <translation>Ohne</translation>
    </message>
</context>
<context>
    <name>_Counts</name>
    <message numerus="yes">
        <source>%n clips</source>
        <translation>
            <numerusform>%n Clip</numerusform>
            <numerusform>%n Clips</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n moments</source>
        <translation>
            <numerusform>%n Moment</numerusform>
            <numerusform>%n Momente</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n videos</source>
        <translation>
            <numerusform>%n Video</numerusform>
            <numerusform>%n Videos</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n weaker matches</source>
        <translation>
            <numerusform>%n schwächerer Treffer</numerusform>
            <numerusform>%n schwächere Treffer</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>+%n moments</source>
        <translation>
            <numerusform>+%n Moment</numerusform>
            <numerusform>+%n Momente</numerusform>
        </translation>
    </message>
    <message>
        <source>+1 moment</source>
        <translation>+1 Moment</translation>
    </message>
    <message>
        <source>1 clip</source>
        <translation>1 Clip</translation>
    </message>
    <message>
        <source>1 moment</source>
        <translation>1 Moment</translation>
    </message>
    <message>
        <source>1 video</source>
        <translation>1 Video</translation>
    </message>
    <message>
        <source>1 weaker match</source>
        <translation>1 schwächerer Treffer</translation>
    </message>
</context>
<context>
    <name>formatting</name>
    <message>
        <source>Best match</source>
        <translation>Bester Treffer</translation>
    </message>
    <message>
        <source>Could not be read</source>
        <translation>Nicht lesbar</translation>
    </message>
    <message>
        <source>Date</source>
        <translation>Datum</translation>
    </message>
    <message>
        <source>In the name: {text}</source>
        <translation>Im Namen: {text}</translation>
    </message>
    <message>
        <source>In the note: {text}</source>
        <translation>In der Notiz: {text}</translation>
    </message>
    <message>
        <source>Length</source>
        <translation>Länge</translation>
    </message>
    <message>
        <source>Missing</source>
        <translation>Fehlt</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>Offline</translation>
    </message>
    <message>
        <source>Possible</source>
        <translation>Möglich</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>Größe</translation>
    </message>
    <message>
        <source>Strong</source>
        <translation>Stark</translation>
    </message>
    <message>
        <source>Subtitle: {text}</source>
        <translation>Untertitel: {text}</translation>
    </message>
    <message>
        <source>Tag: {text}</source>
        <translation>Tag: {text}</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>Wartet</translation>
    </message>
    <message>
        <source>Weak</source>
        <translation>Schwach</translation>
    </message>
    <message>
        <source>about {count} days</source>
        <translation>etwa {count} Tage</translation>
    </message>
    <message>
        <source>about {count} h</source>
        <translation>etwa {count} h</translation>
    </message>
    <message>
        <source>about {count} min</source>
        <translation>etwa {count} min</translation>
    </message>
    <message>
        <source>less than a minute</source>
        <translation>weniger als eine Minute</translation>
    </message>
    <message>
        <source>{rate}× real time</source>
        <translation>{rate}× Echtzeit</translation>
    </message>
</context>
<context>
    <name>menus</name>
    <message>
        <source>&amp;Edit</source>
        <translation>Bea&amp;rbeiten</translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation>&amp;Hilfe</translation>
    </message>
    <message>
        <source>&amp;Library</source>
        <translation>&amp;Bibliothek</translation>
    </message>
    <message>
        <source>&amp;Search</source>
        <translation>&amp;Suche</translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation>&amp;Ansicht</translation>
    </message>
</context>
<context>
    <name>models</name>
    <message>
        <source>An imported model.</source>
        <translation>Ein importiertes Modell.</translation>
    </message>
    <message>
        <source>CRET as published, for research: train it, then import it.</source>
        <translation>CRET, wie es veröffentlicht wurde, für die Forschung: erst trainieren, dann importieren.</translation>
    </message>
    <message>
        <source>Finds more, but indexing takes several times as long without a GPU.</source>
        <translation>Findet mehr, braucht zum Indexieren aber ohne GPU ein Mehrfaches der Zeit.</translation>
    </message>
    <message>
        <source>Knows objects and scenes. Included, and ready from the first minute.</source>
        <translation>Kennt Gegenstände und Szenen. Von der ersten Minute an da.</translation>
    </message>
    <message>
        <source>The most accurate. For computers with a fast GPU.</source>
        <translation>Findet am meisten. Für Computer mit schneller GPU.</translation>
    </message>
    <message>
        <source>Understands many languages, and recognises smaller things.</source>
        <translation>Versteht viele Sprachen und sieht kleinere Dinge.</translation>
    </message>
    <message>
        <source>Understands many languages. The faster of the two that do.</source>
        <translation>Versteht viele Sprachen; das schnellere der beiden, die das können.</translation>
    </message>
    <message>
        <source>Understands whole sentences. The best choice for most computers.</source>
        <translation>Versteht ganze Sätze. Für die meisten Computer die beste Wahl.</translation>
    </message>
    <message>
        <source>Understands whole sentences. The smallest one, for slow computers.</source>
        <translation>Versteht ganze Sätze. Das kleinste, für langsame Computer.</translation>
    </message>
</context>
<context>
    <name>operators</name>
    <message>
        <source>2 to 10 minutes</source>
        <translation>2 bis 10 Minuten</translation>
    </message>
    <message>
        <source>30 seconds to 2 minutes</source>
        <translation>30 Sekunden bis 2 Minuten</translation>
    </message>
    <message>
        <source>4K or more</source>
        <translation>4K und mehr</translation>
    </message>
    <message>
        <source>Could not be read</source>
        <translation>Nicht lesbar</translation>
    </message>
    <message>
        <source>Date</source>
        <translation>Datum</translation>
    </message>
    <message>
        <source>Favourites</source>
        <translation>Favoriten</translation>
    </message>
    <message>
        <source>File type</source>
        <translation>Dateityp</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>Full HD (1080p) or more</source>
        <translation>Full HD (1080p) und mehr</translation>
    </message>
    <message>
        <source>HD (720p) or more</source>
        <translation>HD (720p) und mehr</translation>
    </message>
    <message>
        <source>Last 12 months</source>
        <translation>Die letzten 12 Monate</translation>
    </message>
    <message>
        <source>Last 30 days</source>
        <translation>Die letzten 30 Tage</translation>
    </message>
    <message>
        <source>Last 7 days</source>
        <translation>Die letzten 7 Tage</translation>
    </message>
    <message>
        <source>Length</source>
        <translation>Länge</translation>
    </message>
    <message>
        <source>Less than HD</source>
        <translation>Weniger als HD</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Not indexed yet</source>
        <translation>Noch nicht indiziert</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>Offline</translation>
    </message>
    <message>
        <source>Only</source>
        <translation>Nur</translation>
    </message>
    <message>
        <source>Over 10 minutes</source>
        <translation>Über 10 Minuten</translation>
    </message>
    <message>
        <source>Resolution</source>
        <translation>Auflösung</translation>
    </message>
    <message>
        <source>Tag</source>
        <translation>Tag</translation>
    </message>
    <message>
        <source>Under 30 seconds</source>
        <translation>Unter 30 Sekunden</translation>
    </message>
    <message>
        <source>With a note</source>
        <translation>Mit Notiz</translation>
    </message>
    <message>
        <source>With tags</source>
        <translation>Mit Tags</translation>
    </message>
</context>
<context>
    <name>shortcuts</name>
    <message>
        <source>&amp;About CRET Desktop…</source>
        <translation>&amp;Über CRET Desktop…</translation>
    </message>
    <message>
        <source>&amp;Add folder…</source>
        <translation>&amp;Ordner hinzufügen…</translation>
    </message>
    <message>
        <source>&amp;Back to the results</source>
        <translation>&amp;Zurück zu den Ergebnissen</translation>
    </message>
    <message>
        <source>&amp;Backup and storage…</source>
        <translation>&amp;Sicherung und Speicherort…</translation>
    </message>
    <message>
        <source>&amp;Clear the marks</source>
        <translation>Marken &amp;löschen</translation>
    </message>
    <message>
        <source>&amp;Close window</source>
        <translation>&amp;Fenster schließen</translation>
    </message>
    <message>
        <source>&amp;Copy path</source>
        <translation>Pfad &amp;kopieren</translation>
    </message>
    <message>
        <source>&amp;Export…</source>
        <translation>&amp;Exportieren…</translation>
    </message>
    <message>
        <source>&amp;Favourite</source>
        <translation>&amp;Favorit</translation>
    </message>
    <message>
        <source>&amp;Folders</source>
        <translation>&amp;Ordner</translation>
    </message>
    <message>
        <source>&amp;Keyboard shortcuts…</source>
        <translation>&amp;Tastenkürzel…</translation>
    </message>
    <message>
        <source>&amp;Look for new videos</source>
        <translation>Nach &amp;neuen Videos suchen</translation>
    </message>
    <message>
        <source>&amp;Models…</source>
        <translation>&amp;Modelle…</translation>
    </message>
    <message>
        <source>&amp;More like this</source>
        <translation>Ähnliche &amp;Momente</translation>
    </message>
    <message>
        <source>&amp;Next moment</source>
        <translation>&amp;Nächster Moment</translation>
    </message>
    <message>
        <source>&amp;Note…</source>
        <translation>&amp;Notiz…</translation>
    </message>
    <message>
        <source>&amp;Open</source>
        <translation>Ö&amp;ffnen</translation>
    </message>
    <message>
        <source>&amp;Play or pause</source>
        <translation>&amp;Abspielen oder anhalten</translation>
    </message>
    <message>
        <source>&amp;Preview</source>
        <translation>&amp;Vorschau</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>&amp;Beenden</translation>
    </message>
    <message>
        <source>&amp;Redo</source>
        <translation>&amp;Wiederholen</translation>
    </message>
    <message>
        <source>&amp;Search</source>
        <translation>&amp;Suchen</translation>
    </message>
    <message>
        <source>&amp;Settings…</source>
        <translation>&amp;Einstellungen…</translation>
    </message>
    <message>
        <source>&amp;Show in folder</source>
        <translation>Im O&amp;rdner zeigen</translation>
    </message>
    <message>
        <source>&amp;Tags…</source>
        <translation>&amp;Tags…</translation>
    </message>
    <message>
        <source>&amp;Undo</source>
        <translation>&amp;Rückgängig</translation>
    </message>
    <message>
        <source>&amp;Videos that could not be read…</source>
        <translation>Nicht &amp;lesbare Videos…</translation>
    </message>
    <message>
        <source>&amp;Without…</source>
        <translation>O&amp;hne…</translation>
    </message>
    <message>
        <source>Add &amp;files…</source>
        <translation>&amp;Dateien hinzufügen…</translation>
    </message>
    <message>
        <source>As a &amp;grid</source>
        <translation>Als &amp;Raster</translation>
    </message>
    <message>
        <source>As a &amp;list</source>
        <translation>Als &amp;Liste</translation>
    </message>
    <message>
        <source>As film&amp;strips</source>
        <translation>Als &amp;Filmstreifen</translation>
    </message>
    <message>
        <source>E&amp;xport the marked range…</source>
        <translation>Markiertes e&amp;xportieren…</translation>
    </message>
    <message>
        <source>F&amp;ilters…</source>
        <translation>F&amp;ilter…</translation>
    </message>
    <message>
        <source>F&amp;ull screen</source>
        <translation>Voll&amp;bild</translation>
    </message>
    <message>
        <source>La&amp;rger thumbnails</source>
        <translation>&amp;Größere Bilder</translation>
    </message>
    <message>
        <source>Louder</source>
        <translation>Lauter</translation>
    </message>
    <message>
        <source>Mark the &amp;end</source>
        <translation>&amp;Ende markieren</translation>
    </message>
    <message>
        <source>Mark the &amp;start</source>
        <translation>An&amp;fang markieren</translation>
    </message>
    <message>
        <source>More &amp;like this frame</source>
        <translation>Ä&amp;hnliches wie dieses Bild</translation>
    </message>
    <message>
        <source>One frame back</source>
        <translation>Ein Bild zurück</translation>
    </message>
    <message>
        <source>One frame forward</source>
        <translation>Ein Bild vor</translation>
    </message>
    <message>
        <source>Open in another pla&amp;yer</source>
        <translation>In anderem &amp;Player öffnen</translation>
    </message>
    <message>
        <source>P&amp;revious moment</source>
        <translation>&amp;Voriger Moment</translation>
    </message>
    <message>
        <source>Paus&amp;e or resume indexing</source>
        <translation>Indi&amp;zieren anhalten oder fortsetzen</translation>
    </message>
    <message>
        <source>Play back&amp;wards, again for faster</source>
        <translation>&amp;Rückwärts, nochmals für schneller</translation>
    </message>
    <message>
        <source>Play, again for &amp;faster</source>
        <translation>Abspielen, nochmals für s&amp;chneller</translation>
    </message>
    <message>
        <source>Quieter</source>
        <translation>Leiser</translation>
    </message>
    <message>
        <source>Repea&amp;t</source>
        <translation>&amp;Wiederholen</translation>
    </message>
    <message>
        <source>S&amp;maller thumbnails</source>
        <translation>&amp;Kleinere Bilder</translation>
    </message>
    <message>
        <source>Sa&amp;ve or remove this search</source>
        <translation>Diese Suche &amp;merken oder vergessen</translation>
    </message>
    <message>
        <source>Search by copied &amp;picture</source>
        <translation>Mit dem kopierten &amp;Bild suchen</translation>
    </message>
    <message>
        <source>Search in this fol&amp;der</source>
        <translation>In &amp;diesem Ordner suchen</translation>
    </message>
    <message>
        <source>Show &amp;all videos</source>
        <translation>&amp;Alle Videos zeigen</translation>
    </message>
    <message>
        <source>Show or &amp;hide the video&apos;s other moments</source>
        <translation>&amp;Weitere Momente zeigen oder verbergen</translation>
    </message>
    <message>
        <source>Sound &amp;off or on</source>
        <translation>T&amp;on aus oder an</translation>
    </message>
</context>
</TS>
