#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "fuzz/targets.h"

// The native driver: every test, or those whose names contain one of the arguments.
//   driver [--for SECONDS] [--write-seeds DIRECTORY] [NAME…]
namespace culvert::test {

namespace {

// Under a sanitizer on a busy machine a good test takes seconds; one that hangs must not hang the whole run.
constexpr unsigned kTestTimeout = 180;

std::mt19937 source;
const char* running = "";

void on_alarm(int) {
  // Only what a signal handler may call.
  static const char text[] = "\nFAILED: the test hangs: ";
  if (write(2, text, sizeof text - 1) < 0 || write(2, running, std::strlen(running)) < 0) _exit(3);
  abort();
}

uint32_t run_seed() {
  const char* given = std::getenv("CULVERT_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device()();
}

bool chosen(const std::string& name, const std::vector<std::string>& filters) {
  if (filters.empty()) return true;
  for (const auto& filter : filters) {
    if (name.find(filter) != std::string::npos) return true;
  }
  return false;
}

struct Tally {
  int passed = 0, failed = 0;
};

void run(const Test& test, uint32_t seed, Tally& tally) {
  source.seed(seed);
  running = test.name.c_str();
  alarm(kTestTimeout);
  auto before = std::chrono::steady_clock::now();
  try {
    test.run();
    tally.passed++;
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
    std::printf("ok: %s (%.0f ms)\n", test.name.c_str(), took.count());
  } catch (const std::exception& error) {
    tally.failed++;
    std::printf("FAILED: %s (CULVERT_SEED=%u)\n  %s\n", test.name.c_str(), seed, error.what());
  }
  alarm(0);
  std::fflush(stdout);
}

int write_seeds(const std::filesystem::path& directory) {
  for (const auto& target : fuzz::targets()) {
    auto place = directory / target.name;
    std::filesystem::create_directories(place);
    int number = 0;
    for (const auto& seed : target.seeds()) {
      std::ofstream file(place / ("seed-" + std::to_string(++number)), std::ios::binary);
      file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    }
    std::printf("%s: %d\n", target.name, number);
  }
  return 0;
}

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

std::mt19937& random_source() { return source; }

size_t random_below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(source); }

std::vector<uint8_t> random_bytes(size_t count) {
  std::vector<uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(source());
  return bytes;
}

int main(int count, char** arguments) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGALRM, on_alarm);
  double seconds = 0;
  std::vector<std::string> filters;
  for (int i = 1; i < count; i++) {
    std::string argument = arguments[i];
    bool more = i + 1 < count;
    if (argument == "--write-seeds" && more) return write_seeds(arguments[i + 1]);
    if (argument == "--for" && more) seconds = std::atof(arguments[++i]);
    else filters.push_back(argument);
  }
  uint32_t seed = run_seed();
  auto begun = std::chrono::steady_clock::now();
  Tally tally;
  do {
    std::printf("CULVERT_SEED=%u\n", seed);
    for (const auto& test : tests()) {
      if (chosen(test.name, filters)) run(test, seed, tally);
    }
    seed++;
  } while (std::chrono::steady_clock::now() - begun < std::chrono::duration<double>(seconds));
  std::printf("%d passed, %d failed\n", tally.passed, tally.failed);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace culvert::test

int main(int count, char** arguments) { return culvert::test::main(count, arguments); }
