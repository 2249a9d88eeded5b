#include "workers.h"

#include <iostream>
#include <string>

void fetch(worker_request *request) {
  std::string url = request->url;
  std::string path = url.substr(url.find('/', url.find("://") + 3));
  std::cout << "asked for " << path << std::endl;
  worker_respond(200, "Hello from %s\n", path.c_str());
}
