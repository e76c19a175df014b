"""Run before the program: SciPy's optimisers come with a solver of linear programs that Facet never calls."""

import sys
import types


class _Nothing(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name)


for _name in ("", "._highs_wrapper", "._core", "._highs_options"):
    _name = f"scipy.optimize._highspy{_name}"
    sys.modules[_name] = _Nothing(_name)
