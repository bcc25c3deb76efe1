// Any bytes at all as a file of CSV.
#include "read_and_write.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    fuzz::read_and_write(text, proxymap::File_format::csv);
    return 0;
}
