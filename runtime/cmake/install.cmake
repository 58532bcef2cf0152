# What a robot's build needs: find_package(dae), pkg-config, and a shared library that exports its headers' functions.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(DAE_HEADERS include/dae.h)
if(UNIX)
  list(APPEND DAE_HEADERS include/dae_stream.h include/dae.hpp)
endif()
set_target_properties(dae PROPERTIES VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# The export list is what the headers declare with DAE_API; there is no second list to keep.
if(BUILD_SHARED_LIBS AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(names "")
  foreach(header ${DAE_HEADERS})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(STRINGS ${header} lines REGEX "^DAE_API ")
    foreach(line ${lines})
      string(REGEX MATCH "dae_[a-z0-9_]+\\(" name "${line}")
      string(REPLACE "(" "" name "${name}")
      string(APPEND names "    ${name};\n")
    endforeach()
  endforeach()
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/dae.map "{\n  global:\n${names}  local:\n    *;\n};\n")
  target_link_options(dae PRIVATE -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/dae.map -Wl,--no-undefined)
  set_target_properties(dae PROPERTIES LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/dae.map)
endif()

install(TARGETS dae EXPORT dae-targets)
install(FILES ${DAE_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT dae-targets NAMESPACE dae:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dae)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/dae-config.cmake
  "include(\${CMAKE_CURRENT_LIST_DIR}/dae-targets.cmake)\n")
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/dae-config-version.cmake
  COMPATIBILITY SameMinorVersion)
if(NOT BUILD_SHARED_LIBS)
  set(DAE_LIBS_OF_STATIC " -lm -ldl")
  if(DAE_HAVE_TENSORRT)
    string(APPEND DAE_LIBS_OF_STATIC " -lstdc++")
  endif()
endif()
configure_file(cmake/dae.pc.in ${CMAKE_CURRENT_BINARY_DIR}/dae.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dae-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/dae-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dae)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dae.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
