// Within room model: the part of a data stream that a user writes, read and checked field by field.
#pragma once
#include <boost/json/object.hpp>
#include <vector>

#include "json/reader.h"
#include "model/data_stream.h"

namespace millrace::model {

// Reads name, account, format, event_types, delivery, headers, breaker, retry, contact_email and rate_limit. What is wrong, absent though
// needed, or not known stands in `troubles`; the stream is good only when that is empty.
DataStream read_user_part(boost::json::object const& user, StreamRules rules,
                          std::vector<json::FieldTrouble>& troubles);

}  // namespace millrace::model
