#include "usage/report_json.h"

namespace quipu::usage {

namespace json = boost::json;

namespace {

json::object MapToJson(const std::map<std::string, double>& map) {
  json::object object;
  for (const auto& [name, value] : map) object[name] = value;
  return object;
}

std::map<std::string, double> MapFromJson(const json::value& value) {
  std::map<std::string, double> map;
  for (const auto& [name, number] : value.as_object()) {
    map[std::string(name)] = number.to_number<double>();
  }
  return map;
}

json::object AnswerToJson(const GivenAnswer& given) {
  json::array rows;
  for (const Row& row : given.answer.rows) {
    json::array cells;
    for (const std::string& cell : row) cells.emplace_back(cell);
    rows.emplace_back(std::move(cells));
  }
  return {{"question", static_cast<int>(given.question)},
          {"way", given.way},
          {"exactness", static_cast<int>(given.exactness)},
          {"rows", std::move(rows)}};
}

std::string Text(const json::value& value) { return json::value_to<std::string>(value); }

GivenAnswer AnswerFromJson(const json::object& object) {
  GivenAnswer given;
  given.question = static_cast<Question>(object.at("question").as_int64());
  given.way = Text(object.at("way"));
  given.exactness = static_cast<Exactness>(object.at("exactness").as_int64());
  for (const json::value& cells : object.at("rows").as_array()) {
    Row row;
    for (const json::value& cell : cells.as_array()) row.push_back(Text(cell));
    given.answer.rows.push_back(std::move(row));
  }
  return given;
}

}  // namespace

json::object ToJson(const EngineReport& report) {
  json::array answers;
  for (const GivenAnswer& given : report.answers) answers.emplace_back(AnswerToJson(given));
  return {{"version", report.version},
          {"durable", report.durable},
          {"repeats", report.repeats},
          {"exact", report.exact},
          {"note", report.note},
          {"metrics", MapToJson(report.metrics)},
          {"column_bytes", MapToJson(report.column_bytes)},
          {"archived_column_bytes", MapToJson(report.archived_column_bytes)},
          {"answers", std::move(answers)}};
}

EngineReport FromJson(const json::object& object) {
  EngineReport report;
  report.version = Text(object.at("version"));
  report.durable = Text(object.at("durable"));
  report.repeats = Text(object.at("repeats"));
  report.exact = Text(object.at("exact"));
  report.note = Text(object.at("note"));
  report.metrics = MapFromJson(object.at("metrics"));
  report.column_bytes = MapFromJson(object.at("column_bytes"));
  report.archived_column_bytes = MapFromJson(object.at("archived_column_bytes"));
  for (const json::value& answer : object.at("answers").as_array()) {
    report.answers.push_back(AnswerFromJson(answer.as_object()));
  }
  return report;
}

}  // namespace quipu::usage
