// A program in C++ that waits for its own thread by std::condition_variable, with and without a time.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

extern "C" int wait_for_thread(int milliseconds) {
    std::mutex mutex;
    std::condition_variable ready;
    int value = 0;
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        std::lock_guard<std::mutex> guard(mutex);
        value = milliseconds;
        ready.notify_one();
    });
    std::unique_lock<std::mutex> guard(mutex);
    bool early = ready.wait_for(guard, std::chrono::milliseconds(1), [&] { return value != 0; });
    ready.wait(guard, [&] { return value != 0; });
    guard.unlock();
    other.join();
    return early ? -1 : value;
}
