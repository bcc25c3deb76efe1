// Places at which a test kills the tool, to see that nothing is left half done.
//
// Compiled in always, so that what is tested is what is shipped. Does nothing but compare a string
// unless PROXYMAP_FAULT names the place in the environment of the tool.
#pragma once

#include <array>
#include <string_view>

namespace proxymap {

// Every place, in the order of a write; a test goes through them all.
inline constexpr std::array fault_points = {
    std::string_view("before-commit"),   // the table as before
    std::string_view("after-commit"),    // no mirror knows of it yet
    std::string_view("versions-middle"), // some records in two versions
    std::string_view("versions-done"),   // all of them
    std::string_view("journal-middle"),  // some parts of the journal's entry
    std::string_view("journal-done"),    // but the marker as before
    std::string_view("marker-flipped"),  // in force
    std::string_view("tidy-middle"),     // some records in single versions again
    std::string_view("tidy-done"),       // all of them; not yet noted in the table
    std::string_view("behind-marked"),   // a mirror that catches up: not read from here
    std::string_view("behind-middle"),   //   some records sent
    std::string_view("behind-done"),     //   all of them, the marker still `behind`
    std::string_view("fill-flushed"),    // a mirror that is refilled: emptied
    std::string_view("fill-marked"),     //   its marker says `loading`
    std::string_view("fill-middle"),     //   some records sent
    std::string_view("fill-done"),       //   all of them
    std::string_view("fill-complete"),   //   the marker says so; not yet noted in the table
};

// In place of the environment, for a unit test. name: outlives the process.
void want_fault(const char *name);
// Whether this very place is the one named.
bool fault_wanted(std::string_view name);
// If so, ends the process as kill -9 does. name: one of the above.
void fault_point(std::string_view name);

} // namespace proxymap
