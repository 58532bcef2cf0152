// Event packets to depth, as a ROS node needs it, without ROS: encodings, lost packets, time stamps, diagnostics.
//
// It reads event_camera_msgs/EventPacket's encodings "evt3" and "mono" and refuses the others. A packet that does not
// fit is refused as a whole; the stream stands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dae.hpp"

namespace dae_ros {

// What of an EventPacket matters. Times in nanoseconds.
struct Packet {
    std::uint32_t width = 0, height = 0;
    std::uint64_t seq = 0;
    std::uint64_t time_base = 0; // of "mono"
    std::string_view encoding;
    bool is_bigendian = false;
    std::int64_t stamp = 0; // header.stamp: when the host got its first byte
    std::span<const std::uint8_t> events;
};

// Sensor time to the host's. A packet arrives late, never early, and the sensor's clock drifts against the host's; so
// the offset follows each packet's by a hundredth. A jump of more than a second is taken at once.
class Clock {
  public:
    void see(std::int64_t stamp, std::int64_t t_us)
    {
        const std::int64_t measured = stamp - t_us * 1000, error = measured - offset_;
        if (!known_ || error > jump || error < -jump) offset_ = measured;
        else offset_ += error / 100;
        known_ = true;
    }
    std::int64_t stamp_of(std::int64_t t_us) const { return t_us * 1000 + offset_; }
    void forget() { known_ = false; }

  private:
    static constexpr std::int64_t jump = 1'000'000'000;
    std::int64_t offset_ = 0;
    bool known_ = false;
};

enum class Level { ok, warn, error };

struct Diagnosis {
    Level level = Level::ok;
    std::string summary;
    std::vector<std::pair<std::string, std::string>> values;
};

class DepthPipeline {
  public:
    DepthPipeline(const dae::Model &model, const dae_stream_params &params)
        : info_(model.info()), stream_(model, params), decoder_(DAE_FORMAT_EVT3, info_.width, info_.height),
          buffer_(buffer_events)
    {
    }

    // `each(depth, about, stamp)` for every window that ends with this packet; stamp: of the window's end, host time.
    // "": done; else what is wrong with the packet, or with the engine.
    template <class Each> std::string push(const Packet &packet, Each &&each)
    {
        const std::string wrong = check(packet);
        if (!wrong.empty()) {
            refused_++;
            return wrong;
        }
        follow(packet.seq);
        packets_++;
        first_ = true;
        int worst = DAE_OK;
        auto take = [&](std::span<dae_event> events) { worst = std::min(worst, feed(packet, events, each)); };
        if (packet.encoding == "mono") mono(packet, take);
        else evt3(packet, take);
        return worst < 0 ? std::string("engine: ") + stream_.error() : "";
    }

    const dae::ModelInfo &info() const { return info_; }

    Diagnosis diagnose()
    {
        const dae::Health health = stream_.health();
        Diagnosis said;
        const auto value = [&](const char *name, auto number) { said.values.emplace_back(name, std::to_string(number)); };
        value("packets", packets_);
        value("missed packets", missed_);
        value("refused packets", refused_);
        value("events", health.events);
        value("windows", health.windows);
        value("inferred", health.inferred);
        value("stale", health.stale);
        value("dropped windows", health.dropped_windows);
        value("dropped events", health.dropped_events);
        value("restarts", health.restarts);
        value("not finite", health.not_finite);
        value("engine errors", health.engine_errors);
        value("backlog us", health.backlog_us);
        value("encode us", health.encode_us);
        value("infer us", health.infer_us);
        judge(health, said);
        diagnosed_ = {packets_, missed_, refused_, health};
        return said;
    }

  private:
    static constexpr std::size_t buffer_events = 16384;
    static constexpr std::int64_t evt3_turn_us = std::int64_t{1} << 24; // its clock goes once around

    std::string check(const Packet &packet) const
    {
        if (packet.width != info_.width || packet.height != info_.height)
            return "sensor: wanted " + std::to_string(info_.width) + "x" + std::to_string(info_.height) + ", got " +
                   std::to_string(packet.width) + "x" + std::to_string(packet.height);
        if (packet.encoding != "evt3" && packet.encoding != "mono")
            return "encoding: wanted evt3 or mono, got " + std::string(packet.encoding.substr(0, 32));
        if (packet.encoding == "evt3" && packet.is_bigendian) return "evt3 is little endian";
        if (packet.encoding == "mono" && packet.events.size() % 8) return "mono: events of 8 bytes wanted";
        return "";
    }

    // After lost packets the decoder's row and clock mean nothing.
    void follow(std::uint64_t seq)
    {
        if (packets_ > 0 && seq != next_seq_) {
            missed_ += seq > next_seq_ ? seq - next_seq_ : 0;
            decoder_.reset();
            turns_known_ = false;
        }
        next_seq_ = seq + 1;
    }

    template <class Take> void evt3(const Packet &packet, Take take)
    {
        decoder_.decode(packet.events, buffer_, [&](std::span<const dae_event> decoded) {
            const std::span<dae_event> events = std::span(buffer_).first(decoded.size());
            if (!turns_known_) { // a decoder that starts anew knows its clock's turn, not how many there were
                const std::int64_t behind = last_us_ - events[0].t;
                turns_us_ = behind > 0 ? (behind + evt3_turn_us - 1) / evt3_turn_us * evt3_turn_us : 0;
                turns_known_ = true;
            }
            for (dae_event &event : events) event.t += turns_us_;
            last_us_ = events.back().t;
            take(events);
        });
    }

    // 64-bit words: ns after time_base (32 bits), x (16), y (15), polarity.
    template <class Take> void mono(const Packet &packet, Take take)
    {
        for (std::size_t at = 0, n; at < packet.events.size(); at += 8 * n) {
            n = std::min(buffer_.size(), (packet.events.size() - at) / 8);
            for (std::size_t i = 0; i < n; i++) {
                std::uint64_t word = 0;
                for (int byte = 0; byte < 8; byte++) {
                    const int place = packet.is_bigendian ? 7 - byte : byte;
                    word |= std::uint64_t{packet.events[at + 8 * i + byte]} << (8 * place);
                }
                buffer_[i] = {static_cast<std::int64_t>((packet.time_base + (word & 0xFFFFFFFF)) / 1000),
                              static_cast<std::uint16_t>(word >> 32 & 0xFFFF),
                              static_cast<std::uint16_t>(word >> 48 & 0x7FFF), static_cast<std::uint8_t>(word >> 63)};
            }
            take(std::span(buffer_).first(n));
        }
    }

    template <class Each> int feed(const Packet &packet, std::span<const dae_event> events, Each &each)
    {
        if (first_) clock_.see(packet.stamp, events[0].t);
        first_ = false;
        return stream_.push(events, [&](std::span<const float> depth, const dae::Depth &about) {
            each(depth, about, clock_.stamp_of(about.t_us));
        });
    }

    // Of what happened since the last diagnosis; a fault of yesterday is no fault of today.
    void judge(const dae::Health &now, Diagnosis &said) const
    {
        const auto &[packets, missed, refused, before] = diagnosed_;
        if (now.engine_errors > before.engine_errors) {
            said = {Level::error, std::string("the engine fails: ") + stream_.error(), std::move(said.values)};
        } else if (refused_ > refused) {
            said = {Level::error, "packets are refused", std::move(said.values)};
        } else if (now.not_finite > before.not_finite) {
            said = {Level::warn, "depth that is not finite", std::move(said.values)};
        } else if (packets_ == packets) {
            said = {Level::warn, "no packets", std::move(said.values)};
        } else if (missed_ > missed || now.dropped_windows > before.dropped_windows) {
            said = {Level::warn, "too slow: packets are missed or windows skipped", std::move(said.values)};
        } else {
            said.summary = "depth";
        }
    }

    struct Seen {
        std::uint64_t packets, missed, refused;
        dae::Health health;
    };

    dae::ModelInfo info_;
    dae::Stream stream_;
    dae::Decoder decoder_;
    std::vector<dae_event> buffer_;
    Clock clock_;
    std::uint64_t packets_ = 0, missed_ = 0, refused_ = 0, next_seq_ = 0;
    std::int64_t last_us_ = 0, turns_us_ = 0;
    bool turns_known_ = false, first_ = false;
    Seen diagnosed_{};
};

} // namespace dae_ros
