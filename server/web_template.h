// Filling a page with what strangers have named: every value is escaped, whatever it is. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ringdrop::server {

// Fit for the text of an element and for an attribute in double or single quotes. Any bytes: what is no UTF-8 becomes
// U+FFFD, what HTML has no way to say (NUL, other controls than tab and line ends) too.
std::string escape_html(std::string_view text);

using PageFields = std::map<std::string_view, std::string, std::less<>>;

// `page` with [[name]] replaced by the escaped field; one that is not there is empty. [[?name]]...[[/name]] is left out
// when the field is empty or not there; such sections do not nest in one of the same name.
std::string fill_page(std::string_view page, const PageFields& fields);

}  // namespace ringdrop::server
