"""Run before the program: MediaPipe imports matplotlib for drawings that Facet never makes; an empty module will do."""

import sys
import types

_package, _plots = types.ModuleType("matplotlib"), types.ModuleType("matplotlib.pyplot")
_package.__path__ = []
_package.pyplot = _plots
sys.modules["matplotlib"], sys.modules["matplotlib.pyplot"] = _package, _plots
