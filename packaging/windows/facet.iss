; Inno Setup 6: turns dist\facet (made by packaging\windows\build.bat) into dist\facet-setup.exe.
;   iscc /DVersion=0.1.0 packaging\windows\facet.iss

#ifndef Version
  #define Version "0.1.0"
#endif

[Setup]
AppId={{6D1B0C0E-5A0F-4C55-9B7B-FA0E7F0A1C3D}
AppName=Facet
AppVersion={#Version}
AppPublisher=Facet
DefaultDirName={autopf}\Facet
DefaultGroupName=Facet
; Without an administrator it goes into the user's own programs.
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
SourceDir=..\..
OutputDir=dist
OutputBaseFilename=facet-{#Version}-setup
SetupIconFile=dist\work\facet.ico
UninstallDisplayIcon={app}\Facet.exe
LicenseFile=LICENSE
ChangesAssociations=yes
Compression=lzma2/max
SolidCompression=yes
WizardStyle=modern

[Files]
Source: "dist\facet\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs

[Icons]
Name: "{group}\Facet"; Filename: "{app}\Facet.exe"
Name: "{autodesktop}\Facet"; Filename: "{app}\Facet.exe"; Tasks: desktop

[Tasks]
Name: desktop; Description: "Put Facet on the desktop"; Flags: unchecked

[Registry]
Root: HKA; Subkey: "Software\Classes\.facet"; ValueType: string; ValueData: "Facet.Project"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\Facet.Project"; ValueType: string; ValueData: "Facet project"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\Facet.Project\DefaultIcon"; ValueType: string; ValueData: "{app}\Facet.exe,0"
Root: HKA; Subkey: "Software\Classes\Facet.Project\shell\open\command"; ValueType: string; ValueData: """{app}\Facet.exe"" ""%1"""

[Run]
Filename: "{app}\Facet.exe"; Description: "Open Facet"; Flags: nowait postinstall skipifsilent
