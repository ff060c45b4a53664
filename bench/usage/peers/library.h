// A shared library loaded at run time: nothing of a peer is needed to build or to link.
#pragma once

#include <string>
#include <vector>

#include "quipu/status.h"

namespace quipu::usage {

class Library {
 public:
  /// The first of `names` that can be loaded. kNotFound with `how_to_get_it` otherwise.
  /// `own_symbols_first`: the library resolves its names in itself before it looks at this program (for one that brings its own
  /// copies of libraries that are loaded here, too).
  static Result<Library> Load(const std::vector<std::string>& names,
                              const std::string& how_to_get_it, bool own_symbols_first = false);

  /// Points `*function` at the symbol. A missing one is remembered: see `missing`.
  template <class Function>
  void Bind(const char* name, Function** function) {
    *function = reinterpret_cast<Function*>(Find(name));
  }
  /// kUnsupported if any symbol was missing: another version of the library than the one this was written for.
  [[nodiscard]] Status Complete() const;

 private:
  explicit Library(void* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  void* Find(const char* name);
  void* handle_;
  std::string name_;
  std::string missing_;
};

}  // namespace quipu::usage
