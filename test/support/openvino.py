"""What tests of OpenVINO need. They import it by `import_openvino` alone, which tells nobody of its use."""

import pytest

from selcon_ros.backends.openvino import installed_version

MISSING = "OpenVINO is missing: pip install 'selcon_ros[openvino]'"
needs_openvino = pytest.mark.skipif(installed_version() is None, reason=MISSING)
