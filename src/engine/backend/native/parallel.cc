#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace dcnet {
namespace {

struct Job {
  const std::function<void(int64_t)>& part;
  const int64_t parts;
  std::atomic<int64_t> next{0};
  int helpers = 0;  // under the crew's mutex

  bool isOpen() const { return next.load(std::memory_order_relaxed) < parts; }

  void work() {
    for (int64_t i = next++; i < parts; i = next++) part(i);
  }
};

// Threads that sleep until there is a job. TensorFlow's C interface does not lend its own.
class Crew {
 public:
  Crew() {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 1; i < cores; i++) std::thread([this] { help(); }).detach();
  }

  void run(Job& job) {
    // A second caller at the same time works alone.
    const std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return job.work();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
    }
    posted_.notify_all();
    job.work();
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = nullptr;
    left_.wait(lock, [&] { return job.helpers == 0; });
  }

 private:
  void help() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      posted_.wait(lock, [this] { return job_ != nullptr && job_->isOpen(); });
      Job& job = *job_;
      job.helpers++;
      lock.unlock();
      job.work();
      lock.lock();
      if (--job.helpers == 0) left_.notify_all();
    }
  }

  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::condition_variable left_;
  Job* job_ = nullptr;
};

}  // namespace

void inParallel(int64_t parts, const std::function<void(int64_t)>& part) {
  // Never destroyed: its threads outlive the end of `main`.
  static Crew* const crew = new Crew();
  Job job{part, parts};
  if (parts < 2) return job.work();
  crew->run(job);
}

}  // namespace dcnet
