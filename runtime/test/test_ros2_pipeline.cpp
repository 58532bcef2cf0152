// The ROS 2 node's logic, without ROS: encodings, lost packets, stamps, refusals, diagnoses.
#undef NDEBUG
#include <cassert>
#include <cstring>
#include <string>
#include <vector>

#include "dae_ros/depth_pipeline.hpp"

extern "C" {
#include "small_bundle.h"
}

namespace {

struct Engine {
    bool fails = false;
};

// Depth: the image's reds (brighter) and greens (age), so that events in other places or at other times show.
int infer(void *data, const dae_inference *in)
{
    std::memset(in->state_out[0], 0, 8);
    std::memset(in->state_out[1], 0, 6);
    const auto *image = static_cast<const std::uint8_t *>(in->events);
    for (int i = 0; i < SMALL_PIXELS; i++) in->depth[i] = image[3 * i] + image[3 * i + 1] / 256.0f;
    return static_cast<Engine *>(data)->fails ? 1 : 0;
}

struct Event {
    std::int64_t t;
    std::uint16_t x, y;
    bool on;
};

std::vector<std::uint8_t> evt3(const std::vector<Event> &events)
{
    std::vector<std::uint8_t> bytes;
    auto word = [&](unsigned value) {
        bytes.push_back(static_cast<std::uint8_t>(value));
        bytes.push_back(static_cast<std::uint8_t>(value >> 8));
    };
    for (const Event &event : events) {
        word(0x8000 | (event.t >> 12 & 0xFFF));
        word(0x6000 | (event.t & 0xFFF));
        word(event.y);
        word(0x2000 | event.on << 11 | event.x);
    }
    return bytes;
}

std::vector<std::uint8_t> mono(const std::vector<Event> &events, std::int64_t base_us, bool big)
{
    std::vector<std::uint8_t> bytes;
    for (const Event &event : events) {
        const std::uint64_t word = std::uint64_t(event.on) << 63 | std::uint64_t{event.y} << 48 |
                                   std::uint64_t{event.x} << 32 | std::uint64_t(event.t - base_us) * 1000;
        for (int byte = 0; byte < 8; byte++) bytes.push_back(static_cast<std::uint8_t>(word >> 8 * (big ? 7 - byte : byte)));
    }
    return bytes;
}

struct Seen {
    std::vector<float> depth;
    std::int64_t t_us, stamp;
    bool restart;
};

struct Rig {
    explicit Rig(const small_bundle &bundle) : pipeline(load(bundle, engine), dae_stream_default_params()) {}

    static dae::Model load(const small_bundle &bundle, Engine &engine)
    {
        dae_model_params params = dae_model_default_params();
        params.path = bundle.path;
        params.infer = infer;
        params.infer_data = &engine;
        return dae::Model(params);
    }

    std::string push(std::string_view encoding, const std::vector<std::uint8_t> &bytes, std::int64_t stamp = 0,
                     std::uint64_t base_us = 0, bool big = false)
    {
        const dae_ros::Packet packet{SMALL_WIDTH, SMALL_HEIGHT, seq++, base_us * 1000, encoding, big, stamp, bytes};
        return pipeline.push(packet, [&](std::span<const float> depth, const dae::Depth &about, std::int64_t at) {
            seen.push_back({{depth.begin(), depth.end()}, about.t_us, at, about.restart != 0});
        });
    }

    Engine engine;
    dae_ros::DepthPipeline pipeline;
    std::uint64_t seq = 7;
    std::vector<Seen> seen;
};

const std::vector<Event> some = {{5000, 0, 0, true}, {5040, 1, 2, false}, {5099, 4, 1, true}, {5100, 2, 2, true}, {5230, 3, 0, true}};

void evt3_and_mono_of_the_same_events_give_the_same_depth(const small_bundle &bundle)
{
    Rig a(bundle), b(bundle), c(bundle), d(bundle);
    assert(a.push("evt3", evt3(some)).empty() && a.seen.size() == 2);
    assert(b.push("mono", mono(some, 4000, false), 0, 4000).empty());
    assert(c.push("mono", mono(some, 4000, true), 0, 4000, true).empty());
    for (const Event &event : some) assert(d.push("evt3", evt3({event})).empty()); // cut where it may be
    for (const Rig *other : {&b, &c, &d})
        for (std::size_t i = 0; i < 2; i++)
            assert(other->seen[i].depth == a.seen[i].depth && other->seen[i].t_us == a.seen[i].t_us);
    assert(a.seen[0].depth[0] > 0 && a.seen[0].depth != a.seen[1].depth && a.seen[0].t_us == 5100);
}

void stamps_are_the_hosts_and_follow_its_clock(const small_bundle &bundle)
{
    Rig rig(bundle);
    const std::int64_t host = 1'700'000'000'000'000'000;
    rig.push("evt3", evt3({{5000, 0, 0, true}, {5100, 0, 0, true}}), host);
    assert(rig.seen[0].stamp == host + 100 * 1000);
    rig.push("evt3", evt3({{5150, 0, 0, true}, {5200, 0, 0, true}}), host + 150 * 1000 + 5000); // 5 us late
    assert(rig.seen[1].stamp == host + 200 * 1000 + 50);
    rig.push("evt3", evt3({{5250, 0, 0, true}, {5300, 0, 0, true}}), host + 3'000'000'000); // the host's clock was set
    assert(rig.seen[2].stamp == host + 3'000'000'000 + 50 * 1000);
}

void lost_packets_are_counted_and_time_goes_on(const small_bundle &bundle)
{
    Rig rig(bundle);
    const std::int64_t turn = 1 << 24;
    rig.push("evt3", evt3({{turn - 60, 0, 0, true}}));
    rig.seq += 3; // lost, and meanwhile the sensor's clock went once around
    rig.push("evt3", evt3({{20, 1, 1, true}, {40, 2, 2, true}, {150, 0, 0, true}}));
    assert(rig.seen.size() == 2 && rig.seen[0].t_us == turn + 40 && !rig.seen[0].restart);
    const dae_ros::Diagnosis said = rig.pipeline.diagnose();
    assert(said.level == dae_ros::Level::warn && said.summary.find("missed") != std::string::npos);
    assert((said.values[1] == std::pair<std::string, std::string>("missed packets", "3")));
}

void what_does_not_fit_is_refused_and_the_stream_stands(const small_bundle &bundle)
{
    Rig rig(bundle), wanted(bundle);
    assert(rig.push("libcaer", {1, 2}) == "encoding: wanted evt3 or mono, got libcaer");
    assert(rig.push("mono", {1, 2, 3}) == "mono: events of 8 bytes wanted");
    assert(rig.push("evt3", {}, 0, 0, true) == "evt3 is little endian");
    const dae_ros::Packet other{6, 3, 1, 0, "evt3", false, 0, {}};
    assert(rig.pipeline.push(other, [](auto &&...) {}) == "sensor: wanted 5x3, got 6x3");
    assert(rig.pipeline.diagnose().level == dae_ros::Level::error);
    rig.push("evt3", evt3(some));
    wanted.push("evt3", evt3(some));
    assert(rig.seen.size() == 2 && rig.seen[1].depth == wanted.seen[1].depth);
    assert(rig.pipeline.diagnose().level == dae_ros::Level::ok); // a fault of yesterday is none of today
    assert(rig.pipeline.diagnose().summary == "no packets");
}

void a_failing_engine_is_said_and_got_over(const small_bundle &bundle)
{
    Rig rig(bundle);
    rig.engine.fails = true;
    assert(rig.push("evt3", evt3(some)) == "engine: the callback answered 1" && rig.seen.size() == 2);
    const dae_ros::Diagnosis said = rig.pipeline.diagnose();
    assert(said.level == dae_ros::Level::error && said.summary == "the engine fails: the callback answered 1");
    rig.engine.fails = false;
    assert(rig.push("evt3", evt3({{5300, 0, 0, true}})).empty() && rig.seen.back().depth[3] > 0);
    assert(rig.pipeline.diagnose().level == dae_ros::Level::ok);
}

} // namespace

int main()
{
    small_bundle bundle;
    small_create(&bundle);
    evt3_and_mono_of_the_same_events_give_the_same_depth(bundle);
    stamps_are_the_hosts_and_follow_its_clock(bundle);
    lost_packets_are_counted_and_time_goes_on(bundle);
    what_does_not_fit_is_refused_and_the_stream_stands(bundle);
    a_failing_engine_is_said_and_got_over(bundle);
    small_remove(&bundle);
    return 0;
}
