# The grounding node on ROS 2. Not built yet: there was no Docker daemon at hand.
#   docker build -t selcon_ros --build-arg ROS_DISTRO=jazzy .
#   docker run --rm --network host --ipc host selcon_ros image:=/camera/color/image_raw
# What images between containers need: docs/containers.md.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base AS node

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /ws

# First what changes seldom: the packages that package.xml names. RViz and test packages stay out.
COPY package.xml src/selcon_ros/package.xml
COPY selcon_interfaces/package.xml src/selcon_ros/selcon_interfaces/package.xml
# hadolint ignore=DL3008
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src/selcon_ros src/selcon_ros/selcon_interfaces --ignore-src -y \
        --dependency-types exec --dependency-types build --dependency-types buildtool \
        --skip-keys "python3-onnxruntime-pip rviz2" \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --system-site-packages venv \
    && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir 'onnxruntime>=1.19,<2' 'numpy<2'

COPY . src/selcon_ros
RUN source "/opt/ros/$ROS_DISTRO/setup.bash" \
    && source venv/bin/activate \
    && python3 -m colcon build --base-paths src/selcon_ros src/selcon_ros/selcon_interfaces \
    && rm -rf build log src

# Nothing of the node needs root.
RUN useradd --uid 10001 --create-home robot
USER 10001
ENV FASTDDS_DEFAULT_PROFILES_FILE=/ws/install/selcon_ros/share/selcon_ros/config/fastdds_images.xml \
    FASTRTPS_DEFAULT_PROFILES_FILE=/ws/install/selcon_ros/share/selcon_ros/config/fastdds_images.xml
# ros2 launch ends its processes on SIGINT alone.
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/bash", "-c", "source /ws/install/setup.bash && exec ros2 launch selcon_ros grounding.launch.py \"$@\"", "--"]
