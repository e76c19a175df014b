"""torch as Facet uses it: its libraries and its compiled modules."""

from pathlib import Path

from PyInstaller.utils.hooks import collect_dynamic_libs, collect_submodules, get_package_paths

_FOLDER = Path(get_package_paths("torch")[1])
# The contributed hook adds every source file and header a second time, as data.
binaries = collect_dynamic_libs("torch", search_patterns=["*.dll", "*.dylib", "lib*.so", "lib*.so.*"])
# torch does not import without its helper for shared memory.
binaries += [(str(path), "torch/bin") for path in _FOLDER.glob("bin/torch_shm_manager*")]
# torch imports these by name as soon as an optimiser is made.
hiddenimports = collect_submodules("torch._dynamo.polyfills")
# Modules whose sources torch reads when they are imported: settings, and overloads.
_READ = (
    "_dynamo.config _export.config _functorch.config _inductor.config"
    " _inductor.config_comms compiler.config distributed.config functional fx.experimental._config jit._script"
    " nn.functional nn.modules.rnn utils._config_module utils.serialization.config"
)
module_collection_mode = {"torch": "pyz", **{f"torch.{name}": "pyz+py" for name in _READ.split()}}
# A link beside the program makes torch look for its libraries in the wrong folder.
bindepend_symlink_suppression = ["**/torch/lib/*.so*"]
