// A C++ program that never heard of green threads: threads, futures, exceptions, thread-locals.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static std::atomic<int> gone{0};

struct Local {
	int value = 1;
	~Local() { gone += value; }
};

static thread_local Local local;

static int fails(int number)
{
	std::this_thread::sleep_for(5ms);
	if (number % 2)
		throw std::runtime_error("odd");
	return number;
}

int main()
{
	std::mutex mutex;
	std::condition_variable changed;
	std::set<std::thread::id> ids;
	std::vector<std::thread> threads;
	bool open = false;
	for (int number = 0; number < 40; number++)
		threads.emplace_back([&, number] {
			local.value = number;
			std::unique_lock lock(mutex);
			changed.wait(lock, [&] { return open; });
			ids.insert(std::this_thread::get_id());
		});
	{
		std::lock_guard lock(mutex);
		open = true;
	}
	changed.notify_all();
	for (auto &thread : threads)
		thread.join();
	std::cout << ids.size() << " ids, gone " << gone << std::endl;

	std::vector<std::future<int>> futures;
	int sum = 0, failed = 0;
	for (int number = 0; number < 20; number++)
		futures.push_back(std::async(std::launch::async, fails, number));
	for (auto &future : futures)
		try {
			sum += future.get();
		} catch (const std::runtime_error &) {
			failed++;
		}
	std::cout << "sum " << sum << ", failed " << failed << std::endl;

	std::unique_lock lock(mutex);
	bool late = changed.wait_for(lock, 10ms) == std::cv_status::timeout;
	std::cout << "timed out " << late << std::endl;
	lock.unlock();
	std::thread([] { throw std::runtime_error("nobody catches it"); }).join();
}
