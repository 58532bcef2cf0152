"""The depth node in a container, with intra-process communication, beside a camera's driver."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """``ros2 launch dae_ros depth.launch.py bundle:=student.dae events:=/event_camera/events``."""
    settings = PathJoinSubstitution([FindPackageShare("dae_ros"), "config", "depth.yaml"])
    node = ComposableNode(
        package="dae_ros",
        plugin="dae_ros::DepthNode",
        name="depth",
        parameters=[settings, {"bundle": LaunchConfiguration("bundle")}],
        remappings=[("~/events", LaunchConfiguration("events"))],
        extra_arguments=[{"use_intra_process_comms": True}],
    )
    container = ComposableNodeContainer(
        name="depth_container",
        namespace="",
        package="rclcpp_components",
        executable="component_container",
        composable_node_descriptions=[node],
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle"),
            DeclareLaunchArgument("events", default_value="/event_camera/events"),
            container,
        ]
    )
