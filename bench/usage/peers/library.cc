#include "usage/peers/library.h"

#include <dlfcn.h>

namespace quipu::usage {

Result<Library> Library::Load(const std::vector<std::string>& names,
                              const std::string& how_to_get_it, bool own_symbols_first) {
  const int mode = RTLD_NOW | RTLD_LOCAL | (own_symbols_first ? RTLD_DEEPBIND : 0);
  std::string why;
  for (const std::string& name : names) {
    if (void* handle = ::dlopen(name.c_str(), mode)) return Library(handle, name);
    why = ::dlerror();
  }
  return Status::NotFound("not here: " + how_to_get_it + " (" + why + ")");
}

void* Library::Find(const char* name) {
  void* symbol = ::dlsym(handle_, name);
  if (symbol == nullptr) missing_ += std::string(missing_.empty() ? "" : ", ") + name;
  return symbol;
}

Status Library::Complete() const {
  if (missing_.empty()) return {};
  return Status::Unsupported(name_ + " lacks " + missing_);
}

}  // namespace quipu::usage
