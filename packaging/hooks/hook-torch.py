"""torch as Facet uses it: its libraries and its compiled modules."""

from pathlib import Path

from PyInstaller.utils.hooks import collect_dynamic_libs, get_package_paths

_FOLDER = Path(get_package_paths("torch")[1])
# The contributed hook adds every source file and header a second time, as data.
binaries = collect_dynamic_libs("torch", search_patterns=["*.dll", "*.dylib", "lib*.so", "lib*.so.*"])
# torch does not import without its helper for shared memory.
binaries += [(str(path), "torch/bin") for path in _FOLDER.glob("bin/torch_shm_manager*")]
# Modules whose sources torch reads when they are imported.
module_collection_mode = {
    "torch": "pyz",
    **dict.fromkeys(
        (
            *(
                "torch._functorch.config",
                "torch._export.config",
                "torch._dynamo.config",
                "torch.compiler.config",
            ),
            *(
                "torch.fx.experimental._config",
                "torch.distributed.config",
                "torch.utils.serialization.config",
            ),
            *("torch.utils._config_module", "torch._decomp.decompositions_for_jvp", "torch.jit._script"),
            # Their overloads are read as text.
            *("torch.functional", "torch.nn.functional", "torch.nn.modules.rnn"),
        ),
        "pyz+py",
    ),
}
# A link beside the program makes torch look for its libraries in the wrong folder.
bindepend_symlink_suppression = ["**/torch/lib/*.so*"]
