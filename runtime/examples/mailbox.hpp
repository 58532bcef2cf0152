// Events from the thread that receives them to the thread that runs the network, with a bound on what waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "dae.h"

// Two buffers, allocated once: one fills while the other is worked on.
class Mailbox {
  public:
    // `wait`: a full mailbox makes put() wait, for recordings; else what does not fit is dropped and counted, for
    // cameras, whose driver must not be held up.
    Mailbox(std::size_t capacity, bool wait) : capacity_(capacity), wait_(wait) { filling_.reserve(capacity); }

    // Any type of event; `convert` makes a dae_event of one.
    template <class Event, class Convert> void put(std::span<const Event> events, Convert convert)
    {
        std::unique_lock lock(mutex_);
        for (const Event &event : events) {
            if (wait_) emptied_.wait(lock, [&] { return filling_.size() < capacity_ || closed_; });
            if (filling_.size() < capacity_) filling_.push_back(convert(event));
            else dropped_++;
            if (wait_ && filling_.size() == capacity_) arrived_.notify_one();
        }
        lock.unlock();
        arrived_.notify_one();
    }

    // Wait for events and take all there are; false: there will be none any more.
    bool take(std::vector<dae_event> &events)
    {
        events.clear();
        events.reserve(capacity_);
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [&] { return !filling_.empty() || closed_; });
        std::swap(events, filling_);
        lock.unlock();
        emptied_.notify_one();
        return !events.empty();
    }

    // No more will come, or no more is wanted.
    void close()
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
        arrived_.notify_all();
        emptied_.notify_all();
    }

    std::size_t dropped() const
    {
        const std::scoped_lock lock(mutex_);
        return dropped_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable arrived_, emptied_;
    std::vector<dae_event> filling_;
    const std::size_t capacity_;
    const bool wait_;
    std::size_t dropped_ = 0;
    bool closed_ = false;
};
