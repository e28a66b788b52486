#include "io/worker.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace ringdrop::io {
namespace {

// How many jobs one batch takes at most: a bound on the time that the first of them waits for the last.
constexpr std::size_t kBatchJobs = 256;

}  // namespace

class WorkerLane::Threads {
 public:
  Threads(const std::string& name, unsigned count, std::size_t capacity, Batch* batch)
      : capacity_(capacity), batch_(batch) {
    for (unsigned i = 0; i < count; ++i) {
      threads_.emplace_back([this] { work(); });
      // A thread's name has at most 15 characters (pthread_setname_np(3)).
      pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
    }
  }

  ~Threads() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    queued_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  bool enqueue(Job& job, Ring& ring) {
    {
      const std::lock_guard lock(mutex_);
      if (queue_.size() >= capacity_) return false;
      queue_.push_back({&job, &ring});
    }
    queued_.notify_one();
    return true;
  }

 private:
  struct Queued {
    Job* job;
    Ring* ring;
  };

  void work() {
    std::vector<Queued> taken;
    std::vector<Job*> jobs;
    while (take(taken)) {
      if (batch_) {
        jobs.clear();
        for (const Queued& item : taken) jobs.push_back(item.job);
        batch_->run_all(jobs);
      } else {
        for (const Queued& item : taken) item.job->run();
      }
      // From here the coroutine may go on and free the job: nothing of it is touched again.
      for (const Queued& item : taken) item.ring->complete_from_thread(*item.job, 0);
    }
  }

  // Waits for work; false when there is none and none will come.
  bool take(std::vector<Queued>& taken) {
    taken.clear();
    std::unique_lock lock(mutex_);
    queued_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    const std::size_t most = batch_ ? kBatchJobs : 1;
    while (!queue_.empty() && taken.size() < most) {
      taken.push_back(queue_.front());
      queue_.pop_front();
    }
    return !taken.empty();
  }

  const std::size_t capacity_;
  Batch* const batch_;
  std::mutex mutex_;
  std::condition_variable queued_;
  std::deque<Queued> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

WorkerLane::WorkerLane(std::string name, unsigned threads, std::size_t capacity, Batch* batch)
    : threads_(std::make_unique<Threads>(name, threads, capacity, batch)) {}

WorkerLane::~WorkerLane() = default;

bool WorkerLane::enqueue(Job& job, Ring& ring) {
  return threads_->enqueue(job, ring);
}

}  // namespace ringdrop::io
