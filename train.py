from colorizer.commands.train import main

main()
