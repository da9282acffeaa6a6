#pragma once
#include <cstdio>
#include <cstdlib>

// What a fuzz target knows to be true; libFuzzer reports the abort with its input.
#define MUST(condition)                                                                   \
  do {                                                                                    \
    if (condition) break;                                                                 \
    std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
    std::abort();                                                                         \
  } while (false)
