#include "segment/vector_table.h"

#include "base/check.h"

namespace quipu {

VectorTableWriter::VectorTableWriter(std::size_t vectors, std::string* out) : out_(out) {
  QUIPU_CHECK(out->empty());
  out->assign(vectors * sizeof(std::uint32_t), '\0');
}

void VectorTableWriter::BeginBlock() {
  const auto offset = static_cast<std::uint32_t>(out_->size());
  std::memcpy(out_->data() + next_ * sizeof offset, &offset, sizeof offset);
  ++next_;
}

Result<Bytes> VectorBlock(Bytes payload, std::size_t rows, std::size_t v) {
  const std::size_t vectors = VectorsOf(rows);
  QUIPU_DCHECK(v < vectors);
  const std::size_t table = vectors * sizeof(std::uint32_t);
  if (payload.size() < table) {
    return Status::Corruption("vector table: the page ends inside it");
  }
  const std::uint8_t* entry = payload.data() + v * sizeof(std::uint32_t);
  const std::size_t begin = LoadLe<std::uint32_t>(entry);
  const std::size_t end =
      v + 1 < vectors ? LoadLe<std::uint32_t>(entry + sizeof(std::uint32_t)) : payload.size();
  if (begin < table || begin > end || end > payload.size()) {
    return Status::Corruption("vector table: block outside the page: " + std::to_string(begin) +
                              ".." + std::to_string(end) + " of " + std::to_string(payload.size()));
  }
  return payload.subspan(begin, end - begin);
}

Result<Bytes> VectorTableRest(Bytes payload, std::size_t rows) {
  const std::size_t table = VectorsOf(rows) * sizeof(std::uint32_t);
  QUIPU_TRY_ASSIGN(const Bytes first, VectorBlock(payload, rows, 0));
  const auto begin = static_cast<std::size_t>(first.data() - payload.data());
  return payload.subspan(table, begin - table);
}

Status ExpectEnd(Bytes rest, std::string_view what) {
  if (rest.empty()) return Status();
  return Status::Corruption(std::string(what) + ": " + std::to_string(rest.size()) +
                            " bytes after its end");
}

}  // namespace quipu
