#pragma once
#include <string>

#include "bytes.h"

namespace culvert {

// RFC 7541 5.2. False for a code that does not exist, the EOS symbol, or padding that is not up to 7 one bits.
bool huffman_decode(Bytes coded, std::string& text);

}  // namespace culvert
