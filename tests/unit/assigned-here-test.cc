// src/core/assigned_here.cc: asked of the kernel of the machine that runs the test.
#include "core/assigned_here.h"

#include <CppUTest/TestHarness.h>

using namespace proxymap;

TEST_GROUP(assigned_here)
{
    Assigned_here assigned;
};

TEST(assigned_here, loopback_is_ours_and_a_documentation_address_is_not)
{
    // One socket answers all, in any order, and the same way each time.
    for (int i = 0; i < 3; i++) {
        CHECK_TRUE(assigned(*parse_ip("127.0.0.1")));
        CHECK_FALSE(assigned(*parse_ip("192.0.2.1")));
        CHECK_TRUE(assigned(*parse_ip("127.0.0.2")));
        CHECK_FALSE(assigned(*parse_ip("2001:db8::1")));
    }
}
