// A stand-in; see standin_ros2.hpp.
#pragma once
#include "../standin_ros2.hpp"
