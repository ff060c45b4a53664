// A whole file at once.
#pragma once

#include <string>

#include "quipu/status.h"

namespace quipu::usage {

/// An empty path writes nothing. kIoError.
Status WriteText(const std::string& path, const std::string& text);

}  // namespace quipu::usage
