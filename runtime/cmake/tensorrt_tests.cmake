# The TensorRT back end, run whole on stand-ins of libnvinfer and of CUDA's driver: no GPU. NVIDIA's headers say what a
# stand-in has to have, so it is built only with the back end.
if(NOT DAE_HAVE_TENSORRT OR BUILD_SHARED_LIBS)
  return()
endif()
find_package(Python3 QUIET COMPONENTS Interpreter)
set(DAE_STANDIN_CUDA ${CMAKE_CURRENT_SOURCE_DIR}/../tests/standin_cuda.c)
if(NOT Python3_FOUND OR NOT EXISTS ${DAE_STANDIN_CUDA})
  message(STATUS "dae: the TensorRT back end is not tested: no Python, or no ../tests")
  return()
endif()
set(unused ${CMAKE_CURRENT_BINARY_DIR}/standin_tensorrt/unused_calls.inc)
add_custom_command(OUTPUT ${unused}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/standin_tensorrt
  COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/test/standin_tensorrt/unused_calls.py
    ${DAE_TENSORRT_INCLUDE}/NvInferImpl.h ${unused}
  DEPENDS test/standin_tensorrt/unused_calls.py)

add_library(standin_cuda SHARED ${DAE_STANDIN_CUDA})
set_target_properties(standin_cuda PROPERTIES OUTPUT_NAME cuda SUFFIX .so.1 C_STANDARD 11) # the name the library opens
add_library(standin_nvinfer SHARED test/standin_tensorrt/nvinfer.cpp ${unused})
target_include_directories(standin_nvinfer PRIVATE include test test/standin_tensorrt
  ${CMAKE_CURRENT_BINARY_DIR}/standin_tensorrt)
target_include_directories(standin_nvinfer SYSTEM PRIVATE ${DAE_TENSORRT_INCLUDE} ${DAE_CUDA_INCLUDE})
target_compile_features(standin_nvinfer PRIVATE cxx_std_17)
target_compile_options(standin_nvinfer PRIVATE -Wno-unused-parameter)
target_link_libraries(standin_nvinfer PRIVATE standin_cuda)

add_executable(test_tensorrt test/test_tensorrt.c)
target_include_directories(test_tensorrt PRIVATE infer test test/standin_tensorrt)
target_include_directories(test_tensorrt SYSTEM PRIVATE ${DAE_TENSORRT_INCLUDE})
target_compile_definitions(test_tensorrt PRIVATE STANDIN_NVINFER="$<TARGET_FILE:standin_nvinfer>")
target_link_libraries(test_tensorrt PRIVATE dae standin_nvinfer standin_cuda m)
add_test(NAME tensorrt COMMAND test_tensorrt)
