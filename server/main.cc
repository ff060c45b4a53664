#include <cstdio>
#include <exception>

#include "cli/app.h"

int main(int argc, char** argv) {
  try {
    return quipu::cli::Run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quipu: internal error: %s; please report it\n", e.what());
  } catch (...) {
    std::fprintf(stderr, "quipu: internal error; please report it\n");
  }
  return 1;
}
