; The Windows installer. Compiled by .ci/installer/windows.py, which passes:
;   VERSION   the version, and VERSION4 with four numbers
;   OUTFILE   the installer to write
;   ICON      the app's .ico, and LICENCE the text to agree to
;   KILOBYTES what it takes up
;   PAYLOAD   a list of File instructions, one folder after the other, made from what is in the frozen folder
;   REMOVAL   the same files as Delete instructions, and the folders as RMDir
; Installs for one person, without an administrator. Only files that the list names are ever deleted: what a person put
; into the folder stays, and the library, which is elsewhere, is not touched.

Target amd64-unicode
ManifestDPIAware true
RequestExecutionLevel user
SetCompressor /SOLID lzma

!include "MUI2.nsh"
!include "LogicLib.nsh"

!define NAME "CRET Desktop"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\CRETDesktop"

Name "${NAME}"
OutFile "${OUTFILE}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${KEY}" "InstallLocation"
VIProductVersion "${VERSION4}"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "FileDescription" "${NAME} installer"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "LegalCopyright" "The CRET Desktop authors"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_ABORTWARNING
!define MUI_FINISHPAGE_RUN "$INSTDIR\cret-desktop-gui.exe"

!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_LICENSE "${LICENCE}"
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"

LangString RUNNING ${LANG_ENGLISH} "${NAME} is running. Close it, then press OK."
LangString RUNNING ${LANG_GERMAN} "${NAME} läuft noch. Schließen Sie es und drücken Sie OK."

; A program that runs keeps its file from being opened for writing.
!macro WAIT_UNTIL_CLOSED
    ${Do}
        ${IfNot} ${FileExists} "$INSTDIR\cret-desktop-gui.exe"
            ${ExitDo}
        ${EndIf}
        ClearErrors
        FileOpen $0 "$INSTDIR\cret-desktop-gui.exe" a
        ${IfNot} ${Errors}
            FileClose $0
            ${ExitDo}
        ${EndIf}
        MessageBox MB_OKCANCEL|MB_ICONEXCLAMATION "$(RUNNING)" /SD IDCANCEL IDOK +2
        Abort
    ${Loop}
!macroend

Section
    !insertmacro WAIT_UNTIL_CLOSED
    ; An upgrade: the older version's own list takes away what this one does not bring.
    ${If} ${FileExists} "$INSTDIR\uninstall.exe"
        ExecWait '"$INSTDIR\uninstall.exe" /S _?=$INSTDIR'
    ${EndIf}
    !include "${PAYLOAD}"
    SetOutPath "$INSTDIR"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\cret-desktop-gui.exe"
    WriteRegStr HKCU "${KEY}" "DisplayName" "${NAME}"
    WriteRegStr HKCU "${KEY}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKCU "${KEY}" "DisplayIcon" "$INSTDIR\cret-desktop-gui.exe"
    WriteRegStr HKCU "${KEY}" "Publisher" "The CRET Desktop authors"
    WriteRegStr HKCU "${KEY}" "InstallLocation" "$INSTDIR"
    WriteRegStr HKCU "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKCU "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKCU "${KEY}" "NoModify" 1
    WriteRegDWORD HKCU "${KEY}" "NoRepair" 1
    WriteRegDWORD HKCU "${KEY}" "EstimatedSize" ${KILOBYTES}
SectionEnd

Section "Uninstall"
    !insertmacro WAIT_UNTIL_CLOSED
    !include "${REMOVAL}"
    Delete "$SMPROGRAMS\${NAME}.lnk"
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
    DeleteRegKey HKCU "${KEY}"
SectionEnd
