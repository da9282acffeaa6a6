#pragma once
#include <functional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// As much of a test framework as the driver needs: named tests that throw when they fail.
namespace culvert::test {

struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Test {
  std::string name;
  std::function<void()> run;
};

std::vector<Test>& tests();

struct Register {
  Register(std::string name, std::function<void()> run) { tests().push_back({std::move(name), std::move(run)}); }
};

// Of the running test: the same for the same CULVERT_SEED, which a run prints.
std::mt19937& random_source();
size_t random_below(size_t limit);
std::vector<uint8_t> random_bytes(size_t count);

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  throw Failed(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

template <typename Left, typename Right>
void check_equal(const char* file, int line, const char* text, const Left& left, const Right& right) {
  if (left == right) return;
  std::ostringstream what;
  what << text << ": " << left << " is not " << right;
  fail(file, line, what.str());
}

#define CULVERT_JOIN2(a, b) a##b
#define CULVERT_JOIN(a, b) CULVERT_JOIN2(a, b)

#define TEST(name)                                                                                                  \
  static void CULVERT_JOIN(test_, __LINE__)();                                                                      \
  static const ::culvert::test::Register CULVERT_JOIN(register_, __LINE__)(name, CULVERT_JOIN(test_, __LINE__)); \
  static void CULVERT_JOIN(test_, __LINE__)()

#define CHECK(condition) \
  if (!(condition)) ::culvert::test::fail(__FILE__, __LINE__, #condition)

#define CHECK_EQUAL(left, right) ::culvert::test::check_equal(__FILE__, __LINE__, #left, left, right)

}  // namespace culvert::test
