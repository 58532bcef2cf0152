// Stand-ins for the part of ROS 2 that the depth node uses, so that it is compiled where ROS is not installed. Signatures
// as of Jazzy; nothing is sent anywhere. What the node does with packets is tested in test_ros2_pipeline.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace builtin_interfaces::msg {
struct Time {
    std::int32_t sec = 0;
    std::uint32_t nanosec = 0;
};
} // namespace builtin_interfaces::msg

namespace std_msgs::msg {
struct Header {
    builtin_interfaces::msg::Time stamp;
    std::string frame_id;
};
} // namespace std_msgs::msg

namespace sensor_msgs::msg {
struct Image {
    std_msgs::msg::Header header;
    std::uint32_t height = 0, width = 0;
    std::string encoding;
    std::uint8_t is_bigendian = 0;
    std::uint32_t step = 0;
    std::vector<std::uint8_t> data;
};
struct CameraInfo {
    std_msgs::msg::Header header;
    std::uint32_t height = 0, width = 0;
};
} // namespace sensor_msgs::msg

namespace event_camera_msgs::msg {
struct EventPacket {
    using ConstSharedPtr = std::shared_ptr<const EventPacket>;
    std_msgs::msg::Header header;
    std::uint32_t height = 0, width = 0;
    std::uint64_t seq = 0, time_base = 0;
    std::string encoding;
    bool is_bigendian = false;
    std::vector<std::uint8_t> events;
};
} // namespace event_camera_msgs::msg

namespace diagnostic_msgs::msg {
struct DiagnosticStatus {
    static constexpr std::uint8_t OK = 0, WARN = 1, ERROR = 2, STALE = 3;
};
} // namespace diagnostic_msgs::msg

namespace rclcpp {

class Time {
  public:
    explicit Time(std::int64_t nanoseconds = 0) : nanoseconds_(nanoseconds) {}
    Time(const builtin_interfaces::msg::Time &time) : nanoseconds_(time.sec * std::int64_t{1000000000} + time.nanosec) {}
    std::int64_t nanoseconds() const { return nanoseconds_; }
    operator builtin_interfaces::msg::Time() const
    {
        return {static_cast<std::int32_t>(nanoseconds_ / 1000000000), static_cast<std::uint32_t>(nanoseconds_ % 1000000000)};
    }

  private:
    std::int64_t nanoseconds_;
};

struct KeepLast {
    explicit KeepLast(std::size_t depth) : depth(depth) {}
    std::size_t depth;
};
class QoS {
  public:
    QoS(const KeepLast &) {}
    QoS &reliable() { return *this; }
    QoS &best_effort() { return *this; }
};
struct SensorDataQoS : QoS {
    SensorDataQoS() : QoS(KeepLast(5)) {}
};

struct Logger {};
struct Clock {
    using SharedPtr = std::shared_ptr<Clock>;
};
struct NodeOptions {};

template <class Message> struct Publisher {
    using SharedPtr = std::shared_ptr<Publisher>;
    void publish(std::unique_ptr<Message>) {}
};
template <class Message> struct Subscription {
    using SharedPtr = std::shared_ptr<Subscription>;
};

class Node {
  public:
    Node(const std::string &, const NodeOptions &) {}
    virtual ~Node() = default;
    template <class Value> Value declare_parameter(const std::string &, const Value &value) { return value; }
    template <class Message> typename Publisher<Message>::SharedPtr create_publisher(const std::string &, const QoS &)
    {
        return std::make_shared<Publisher<Message>>();
    }
    template <class Message, class Callback>
    typename Subscription<Message>::SharedPtr create_subscription(const std::string &, const QoS &, Callback callback)
    {
        std::function<void(std::shared_ptr<const Message>)> checked = callback;
        return std::make_shared<Subscription<Message>>();
    }
    Logger get_logger() const { return {}; }
    Clock::SharedPtr get_clock() { return std::make_shared<Clock>(); }
};

} // namespace rclcpp

#define RCLCPP_INFO(logger, ...) ((void)(logger), (void)sizeof(std::snprintf(nullptr, 0, __VA_ARGS__)))
#define RCLCPP_WARN_THROTTLE(logger, clock, ms, ...) \
    ((void)(logger), (void)(clock), (void)(ms), (void)sizeof(std::snprintf(nullptr, 0, __VA_ARGS__)))
#define RCLCPP_COMPONENTS_REGISTER_NODE(type) static_assert(std::is_constructible_v<type, const rclcpp::NodeOptions &>);

namespace camera_info_manager {
class CameraInfoManager {
  public:
    CameraInfoManager(rclcpp::Node *, const std::string &, const std::string &) {}
    sensor_msgs::msg::CameraInfo getCameraInfo() { return {}; }
};
} // namespace camera_info_manager

namespace diagnostic_updater {
class DiagnosticStatusWrapper {
  public:
    void summary(unsigned char, const std::string &) {}
    void add(const std::string &, const std::string &) {}
};
class Updater {
  public:
    explicit Updater(rclcpp::Node *) {}
    void setHardwareID(const std::string &) {}
    void add(const std::string &, std::function<void(DiagnosticStatusWrapper &)>) {}
};
} // namespace diagnostic_updater
