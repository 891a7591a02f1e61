# Given to CMake as CMAKE_PROJECT_INCLUDE, it makes ROS packages installed by pip usable for building interfaces.
# Neither the interface package nor what pip installed is changed.

# C and Python alone: rclpy needs no more, and it halves the time.
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
list(FILTER AMENT_EXTENSIONS_rosidl_generate_idl_interfaces EXCLUDE REGEX "_cpp[:_]")

# The targets name header folders of the machine that built the wheels; CMake refuses folders that do not exist.
function(remove_missing_folders)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(folders)
      list(FILTER folders EXCLUDE REGEX "^/opt/python/")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folders}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL remove_missing_folders)
