# Examples: each is one file that a robot's program can start from.
foreach(name depth callback)
  add_executable(dae-example-${name} examples/${name}.c)
  target_link_libraries(dae-example-${name} PRIVATE dae)
endforeach()
if(CMAKE_CXX_COMPILER)
  add_library(dae-example-options INTERFACE)
  target_compile_features(dae-example-options INTERFACE cxx_std_20)
  target_link_libraries(dae-example-options INTERFACE dae Threads::Threads)

  add_executable(dae-example-depth-cpp examples/depth.cpp)
  target_link_libraries(dae-example-depth-cpp PRIVATE dae-example-options)

  add_executable(dae-example-metavision examples/metavision.cpp)
  target_link_libraries(dae-example-metavision PRIVATE dae-example-options)
  find_package(MetavisionSDK 5 QUIET COMPONENTS stream)
  if(MetavisionSDK_FOUND)
    target_link_libraries(dae-example-metavision PRIVATE MetavisionSDK::stream)
  else() # built and run all the same, with a stand-in that plays recordings
    target_include_directories(dae-example-metavision PRIVATE test/standin_metavision examples)
  endif()

  # The ROS 2 node is a package of its own (examples/ros2, colcon); here it is only compiled, with stand-ins.
  add_library(dae-example-ros2 OBJECT examples/ros2/src/depth_node.cpp)
  target_include_directories(dae-example-ros2 PRIVATE examples/ros2/include test/standin_ros2)
  target_link_libraries(dae-example-ros2 PRIVATE dae-example-options)
endif()
