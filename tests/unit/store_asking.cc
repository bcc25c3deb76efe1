// Checks at each lookup what every store promises: one answer a key, once, never from within get().
#include "store_asking.h"

#include <utility>

#include <CppUTest/TestHarness.h>

using namespace proxymap;

namespace store_asking {

void start(Store &store, Lookup *lookup, std::vector<Key> keys, std::uint64_t msecs)
{
    const auto count = keys.size();
    store.get(std::move(keys), monotonic_ms() + msecs,
              [lookup, count](std::vector<Answer> answers) {
                  CHECK_FALSE_TEXT(lookup->answered, "answered twice");
                  UNSIGNED_LONGS_EQUAL(count, answers.size());
                  lookup->answered = true;
                  lookup->answers = std::move(answers);
              });
    CHECK_FALSE_TEXT(lookup->answered, "answered from within get()");
}

std::vector<Answer> ask(Store &store, Poll_loop &loop, std::vector<Key> keys, std::uint64_t msecs)
{
    Lookup lookup;
    start(store, &lookup, std::move(keys), msecs);
    CHECK_TEXT(loop.run_until([&] { return lookup.answered; }), "never answered");
    return std::move(lookup.answers);
}

Answer ask_one(Store &store, Poll_loop &loop, const Key &key, std::uint64_t msecs)
{
    return ask(store, loop, {key}, msecs).at(0);
}

Record record(const std::string &line, const Position &position)
{
    auto parsed = parse_record(line, Key_case::lower);
    CHECK_TEXT(parsed.ok(), parsed.ok() ? "" : parsed.error().message.c_str());
    parsed->position = position;
    return *parsed;
}

std::string stored(const std::string &line, const Position &position)
{
    return format_stored_record(record(line, position));
}

bool holds(const std::string &text, const std::string &part)
{
    return text.find(part) != std::string::npos;
}

} // namespace store_asking
