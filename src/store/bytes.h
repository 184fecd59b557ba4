// What the store's binary columns are written and read with.
#pragma once
#include "base/bytes.h"

namespace millrace::store {

using Writer = ByteWriter;
using Reader = ByteReader;

}  // namespace millrace::store
