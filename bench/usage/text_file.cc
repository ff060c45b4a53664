#include "usage/text_file.h"

#include <fstream>

namespace quipu::usage {

Status WriteText(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  return out ? Status() : Status::IoError("cannot be written: " + path);
}

}  // namespace quipu::usage
