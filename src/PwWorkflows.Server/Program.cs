return await PwWorkflows.Server.Commands.CommandLine.RunAsync(args);
