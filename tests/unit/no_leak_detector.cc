// Turns CppUTest's leak detector off for the tests of the stores: it replaces operator new, is not
// made for threads, and calls what a helper thread still holds at a test's end a leak. Leaks are
// found by the sanitizer build.
#include <CppUTest/TestHarness.h>

#include <CppUTest/MemoryLeakWarningPlugin.h>

namespace {

[[maybe_unused]] const bool off = [] {
    MemoryLeakWarningPlugin::turnOffNewDeleteOverloads();
    return true;
}();

} // namespace
