@echo off
rem Builds dist\facet on Windows: packaging\windows\build.bat, from anywhere, with Python 3.11 installed.
setlocal
cd /d "%~dp0..\.." || exit /b 1
set "PLACE=packaging\.venv-build"
set "PYTHON=%PLACE%\Scripts\python.exe"
if not exist "%PYTHON%" py -3.11 -m venv "%PLACE%" || exit /b 4
"%PYTHON%" -m pip install --quiet --constraint packaging\constraints.txt torch==2.13.0 || exit /b 4
"%PYTHON%" -m pip install --quiet --constraint packaging\constraints.txt --editable .[app,bundle] || exit /b 4
"%PYTHON%" -m pip uninstall --quiet --yes opencv-contrib-python opencv-contrib-python-headless || exit /b 4
"%PYTHON%" -m pip install --quiet --no-deps opencv-contrib-python-headless==4.11.0.86 || exit /b 4
set "FACET_BUNDLE_WORK=dist\work"
if not exist dist\work mkdir dist\work
"%PYTHON%" packaging\icons.py dist\work || exit /b 1
"%PYTHON%" -m PyInstaller --noconfirm --distpath dist --workpath dist\work\pyinstaller packaging\facet.spec || exit /b 1
"%PYTHON%" packaging\sizes dist\facet
