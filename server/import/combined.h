// Apache's and Nginx's "combined" access log (and "common", which lacks the last two fields):
//
//   83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 203023 "http://from/" "Mozilla/5.0"
//
// becomes customer 83.149.9.216, service `web`, quantity 1, measure bytes, dimensions method, path, protocol, status, referrer,
// agent. `-` means absent. A request that is not three words goes into path as it is. `\"` and `\\` are unescaped; bytes
// that are not UTF-8 become \xHH, as the servers themselves write them. A last field that is cut off (a full disk, a
// copied tail) is taken as far as it goes.
#pragma once

#include <memory>

#include "import/record.h"

namespace quipu::import {

std::unique_ptr<RecordParser> MakeCombinedParser();

}  // namespace quipu::import
