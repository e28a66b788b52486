#include "proto/http_message.h"

#include <algorithm>
#include <utility>

#include "proto/characters.h"

namespace ringdrop::proto {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

bool list_contains(std::string_view list, std::string_view token) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (equals_ignoring_case(trim_white_space(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

void RequestHead::forget() {
  RequestHead old = std::exchange(*this, RequestHead());
  for (std::string RequestHead::* const text :
       {&RequestHead::method_text, &RequestHead::target, &RequestHead::path, &RequestHead::query, &RequestHead::host}) {
    (old.*text).clear();
    (this->*text).swap(old.*text);
  }
  old.fields.clear();
  fields = std::move(old.fields);
}

void Fields::add(std::string_view name, std::string_view value) {
  lines_.push_back(Field{std::string(name), std::string(value)});
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (const Field& field : lines_) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      lines_.begin(), lines_.end(), [name](const Field& field) { return equals_ignoring_case(field.name, name); }));
}

std::string Fields::joined(std::string_view name) const {
  std::string values;
  bool first = true;
  for (const Field& field : lines_) {
    if (!equals_ignoring_case(field.name, name)) continue;
    if (!first) values += ", ";
    values += field.value;
    first = false;
  }
  return values;
}

}  // namespace ringdrop::proto
