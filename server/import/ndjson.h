// One JSON object on each line:
//
//   {"id","source"?,"time","customer","service","quantity"?,"cost"?,"dimensions":{name:string},"measures":{name:number}}
//
// Numbers are taken as their text and never pass through a double; they may also be strings. `null` means absent. An unknown or
// repeated key is an error: a misspelt "custommer" must not become a silent default.
#pragma once

#include <memory>

#include "import/record.h"

namespace quipu::import {

std::unique_ptr<RecordParser> MakeNdjsonParser();

}  // namespace quipu::import
