#include <malloc.h>

#include <cstdio>
#include <exception>

#include "cli/app.h"

int main(int argc, char** argv) {
#ifdef __GLIBC__
  (void)mallopt(M_ARENA_MAX, 2);  // docs/OPERATIONS.md, Memory
#endif
  try {
    return quipu::cli::Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quipu: internal error: %s; please report it\n", e.what());
  } catch (...) {
    std::fprintf(stderr, "quipu: internal error; please report it\n");
  }
  return 1;
}
