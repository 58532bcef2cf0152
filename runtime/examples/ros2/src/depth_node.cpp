// A composable ROS 2 node: event_camera_msgs/EventPacket in, depth Image, CameraInfo and diagnostics out.
//
// It only translates; what happens to a packet is in depth_pipeline.hpp.
#include <camera_info_manager/camera_info_manager.hpp>
#include <diagnostic_updater/diagnostic_updater.hpp>
#include <event_camera_msgs/msg/event_packet.hpp>
#include <rclcpp/rclcpp.hpp>
#include <rclcpp_components/register_node_macro.hpp>
#include <sensor_msgs/msg/camera_info.hpp>
#include <sensor_msgs/msg/image.hpp>

#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "dae_ros/depth_pipeline.hpp"

namespace dae_ros {

using event_camera_msgs::msg::EventPacket;
using sensor_msgs::msg::CameraInfo;
using sensor_msgs::msg::Image;

class DepthNode : public rclcpp::Node {
  public:
    explicit DepthNode(const rclcpp::NodeOptions &options) : Node("depth", options), diagnostics_(this)
    {
        pipeline_ = std::make_unique<DepthPipeline>(load(), stream_params());
        frame_id_ = declare_parameter<std::string>("frame_id", "event_camera");
        publish_stale_ = declare_parameter<bool>("publish_stale", false);
        camera_info_ = std::make_unique<camera_info_manager::CameraInfoManager>(
            this, "event_camera", declare_parameter<std::string>("camera_info_url", ""));
        image_publisher_ = create_publisher<Image>("~/depth/image", rclcpp::SensorDataQoS());
        info_publisher_ = create_publisher<CameraInfo>("~/depth/camera_info", rclcpp::SensorDataQoS());
        diagnostics_.setHardwareID(pipeline_->info().name);
        diagnostics_.add("depth", [this](diagnostic_updater::DiagnosticStatusWrapper &status) { diagnose(status); });
        subscription_ = create_subscription<EventPacket>("~/events", input_qos(),
                                                         [this](EventPacket::ConstSharedPtr packet) { take(*packet); });
        const dae::ModelInfo &info = pipeline_->info();
        RCLCPP_INFO(get_logger(), "%s, %ux%u, %s, depth in %s", info.name, info.width, info.height, info.engine,
                    info.unit);
    }

  private:
    dae::Model load()
    {
        const auto bundle = declare_parameter<std::string>("bundle", "");
        const auto backend = declare_parameter<std::string>("backend", "");
        const auto library = declare_parameter<std::string>("engine_library", "");
        dae_model_params params = dae_model_default_params();
        params.path = bundle.c_str();
        params.backend = backend.empty() ? nullptr : backend.c_str();
        params.library = library.empty() ? nullptr : library.c_str();
        params.threads = static_cast<std::uint32_t>(declare_parameter<int>("threads", 0));
        return dae::Model(params);
    }

    dae_stream_params stream_params()
    {
        dae_stream_params params = dae_stream_default_params();
        params.window_us = declare_parameter<int>("window_us", 0);
        params.hop_us = declare_parameter<int>("hop_us", 0);
        params.newest_only = declare_parameter<bool>("newest_only", true);
        return params;
    }

    // Drivers publish with the sensors' profile; a recorded bag may be played reliably.
    rclcpp::QoS input_qos()
    {
        const auto depth = static_cast<std::size_t>(declare_parameter<int>("input_queue", 100));
        rclcpp::QoS qos{rclcpp::KeepLast(depth)};
        return declare_parameter<bool>("input_reliable", false) ? qos.reliable() : qos.best_effort();
    }

    void take(const EventPacket &message)
    {
        const Packet packet{message.width,        message.height,
                            message.seq,          message.time_base,
                            message.encoding,     message.is_bigendian,
                            rclcpp::Time(message.header.stamp).nanoseconds(), message.events};
        const std::string wrong =
            pipeline_->push(packet, [this](std::span<const float> depth, const dae::Depth &about, std::int64_t stamp) {
                if (!about.stale || publish_stale_) publish(depth, stamp);
            });
        if (!wrong.empty()) RCLCPP_WARN_THROTTLE(get_logger(), *get_clock(), 5000, "%s", wrong.c_str());
    }

    void publish(std::span<const float> depth, std::int64_t stamp)
    {
        auto image = std::make_unique<Image>();
        image->header.stamp = rclcpp::Time(stamp);
        image->header.frame_id = frame_id_;
        image->width = pipeline_->info().depth_width;
        image->height = pipeline_->info().depth_height;
        image->encoding = "32FC1";
        image->is_bigendian = std::endian::native == std::endian::big;
        image->step = image->width * sizeof(float);
        image->data.resize(depth.size_bytes());
        std::memcpy(image->data.data(), depth.data(), depth.size_bytes());
        auto info = std::make_unique<CameraInfo>(camera_info_->getCameraInfo());
        info->header = image->header;
        image_publisher_->publish(std::move(image));
        info_publisher_->publish(std::move(info));
    }

    void diagnose(diagnostic_updater::DiagnosticStatusWrapper &status)
    {
        using Status = diagnostic_msgs::msg::DiagnosticStatus;
        const Diagnosis said = pipeline_->diagnose();
        const auto level = said.level == Level::ok     ? Status::OK
                           : said.level == Level::warn ? Status::WARN
                                                       : Status::ERROR;
        status.summary(level, said.summary);
        for (const auto &[name, value] : said.values) status.add(name, value);
    }

    std::unique_ptr<DepthPipeline> pipeline_;
    std::unique_ptr<camera_info_manager::CameraInfoManager> camera_info_;
    diagnostic_updater::Updater diagnostics_;
    std::string frame_id_;
    bool publish_stale_ = false;
    rclcpp::Publisher<Image>::SharedPtr image_publisher_;
    rclcpp::Publisher<CameraInfo>::SharedPtr info_publisher_;
    rclcpp::Subscription<EventPacket>::SharedPtr subscription_;
};

} // namespace dae_ros

RCLCPP_COMPONENTS_REGISTER_NODE(dae_ros::DepthNode)
