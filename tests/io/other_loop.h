// A loop on a thread of its own, for as long as the object lives.
#pragma once

#include <future>
#include <thread>

#include "tests/io/test_loop.h"

namespace ringdrop::test {

class OtherLoop {
 public:
  OtherLoop() {
    std::promise<io::EventLoop*> made;
    thread_ = std::thread([&made] {
      TestLoop fixture;  // the ring belongs to the thread that makes it
      made.set_value(&fixture.loop());
      fixture.loop().run();
    });
    loop_ = made.get_future().get();
  }
  OtherLoop(const OtherLoop&) = delete;
  OtherLoop& operator=(const OtherLoop&) = delete;
  ~OtherLoop() {
    loop_->stop();
    thread_.join();
  }

  io::EventLoop& loop() { return *loop_; }
  std::thread::id thread_id() const { return thread_.get_id(); }

 private:
  io::EventLoop* loop_ = nullptr;
  std::thread thread_;
};

}  // namespace ringdrop::test
