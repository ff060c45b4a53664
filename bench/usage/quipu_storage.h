// What Quipu's bytes are: of the columns, as the store itself says, and of the rest, as the files say. Together they are every
// byte on disk, so that nothing hides between the two.
#pragma once

#include <string>

#include "quipu/database.h"
#include "usage/engine.h"

namespace quipu::usage {

/// A column takes the name that it has in the workload; "cost" and so on with their dictionaries. What is not a column: "identity index",
/// "summaries", "directory" (customers, services and where their rows are), "footers".
std::map<std::string, double> BytesOfSegments(const std::vector<ColumnStorage>& columns);

/// Adds what is in the closed store's folder and is not in segments or archives: "key-value store" (catalogue, manifest, log), "other
/// files", and "unfilled blocks", the difference to what the file system has allocated. kInternal if the folder holds less than the store said.
Status AddOtherFiles(const std::string& path, std::map<std::string, double>* bytes);

double Sum(const std::map<std::string, double>& bytes);

}  // namespace quipu::usage
